// A WASI command: a reading in, {"celsius":21.5}, and what the database is to keep out.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    char body[1024];
    body[fread(body, 1, sizeof body - 1, stdin)] = 0;

    // The message's topic is sensors/PLACE/temperature.
    const char *topic = getenv("Http_X_Mqtt_Topic");
    char place[64] = "nowhere";
    if (topic) sscanf(topic, "sensors/%63[^/]", place);

    const char *celsius = strstr(body, "\"celsius\":");
    if (!celsius) {
        fprintf(stderr, "not a reading: %s\n", body);
        return 1;
    }
    double degrees = atof(celsius + strlen("\"celsius\":"));
    printf("{\"place\":\"%s\",\"celsius\":%g,\"alarm\":%s}\n", place, degrees, degrees > 30 ? "true" : "false");
    return 0;
}
