// A WASI command: body in, answer out. It tells what it knows of the request.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char body[1024];
    size_t length = fread(body, 1, sizeof body - 1, stdin);
    body[length] = 0;
    const char *method = getenv("Http_Method"), *path = getenv("Http_Path");
    fprintf(stderr, "%s %s with %zu bytes\n", method, path, length);
    printf("Hello, %s, from C!\n", body);
    return 0;
}
