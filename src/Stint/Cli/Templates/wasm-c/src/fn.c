// Called once per request, each time in a memory of its own: what comes on standard input is the request's body, what goes to standard output is the answer.
// Standard error is the function's log; an exit code other than 0 is a failure. The environment has [env] of function.toml, and Http_Method, Http_Path, Http_Query, Http_Content_Type …
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char name[1024];
    size_t length = fread(name, 1, sizeof name - 1, stdin);
    name[length] = 0;
    const char *greeting = getenv("GREETING");
    printf("%s, %s!\n", greeting ? greeting : "Hello", length > 0 ? name : "whoever you are");
    return 0;
}
