/*
 * Calls a function over CoAP (RFC 7252) the way a microcontroller would: no library, no heap, two small buffers.
 *
 *   cc -O2 -o coap coap.c && ./coap 127.0.0.1 5683 echo hello
 *
 * A confirmable POST with one Uri-Path option, sent again with doubling pauses until it is answered (section 4.2); the answer comes on the acknowledgement, or, when the function takes
 * its time, in a message of its own that we acknowledge (section 5.2.2). Prints the payload; exits 0 for a 2.xx code, 1 for another, 2 when nobody answered.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CON = 0, NON = 1, ACK = 2, RST = 3, POST = 2, URI_PATH = 11, MAX_DATAGRAM = 1152, ACK_TIMEOUT_MS = 2000, MAX_RETRANSMIT = 4 };

static size_t build_post(uint8_t *out, uint16_t id, const uint8_t token[4], const char *name, const char *payload)
{
    size_t at = 0, name_length = strlen(name), payload_length = strlen(payload);
    out[at++] = 0x40 | (CON << 4) | 4;                 /* version 1, confirmable, four bytes of token */
    out[at++] = POST;
    out[at++] = id >> 8;
    out[at++] = id & 0xff;
    memcpy(out + at, token, 4);
    at += 4;
    if (name_length < 13) {
        out[at++] = (URI_PATH << 4) | name_length;     /* option delta and length in one byte */
    } else {
        out[at++] = (URI_PATH << 4) | 13;              /* … or the length minus 13 in a second one */
        out[at++] = name_length - 13;
    }
    memcpy(out + at, name, name_length);
    at += name_length;
    if (payload_length > 0) {
        out[at++] = 0xff;
        memcpy(out + at, payload, payload_length);
        at += payload_length;
    }
    return at;
}

/* Where the payload begins; the length of the datagram when there is none. Options are only passed over. */
static size_t payload_offset(const uint8_t *in, size_t length)
{
    size_t at = 4 + (in[0] & 0x0f);
    while (at < length && in[at] != 0xff) {
        unsigned delta = in[at] >> 4, size = in[at] & 0x0f;
        at++;
        at += delta == 13 ? 1 : delta == 14 ? 2 : 0;
        if (size == 13) size = 13 + in[at++];
        else if (size == 14) { size = 269 + (in[at] << 8) + in[at + 1]; at += 2; }
        at += size;
    }
    return at < length ? at + 1 : length;
}

int main(int argc, char **argv)
{
    if (argc != 5 || strlen(argv[3]) > 64 || strlen(argv[4]) > 1024) {
        fprintf(stderr, "usage: coap ADDRESS PORT FUNCTION TEXT\n");
        return 2;
    }
    struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])) };
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
        fprintf(stderr, "coap: %s is no IPv4 address\n", argv[1]);
        return 2;
    }
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp < 0 || connect(udp, (struct sockaddr *)&server, sizeof server) != 0) {
        perror("coap");
        return 2;
    }

    uint8_t out[MAX_DATAGRAM], in[MAX_DATAGRAM], token[4];
    srand((unsigned)(time(NULL) ^ getpid()));
    for (int i = 0; i < 4; i++) token[i] = rand() & 0xff;
    uint16_t id = rand() & 0xffff;
    size_t size = build_post(out, id, token, argv[3], argv[4]);

    int acknowledged = 0, timeout = ACK_TIMEOUT_MS;
    for (int sent = 0; sent <= MAX_RETRANSMIT;) {
        if (!acknowledged) {
            if (send(udp, out, size, 0) < 0) perror("coap: send");
            sent++;
        }
        struct pollfd wait = { .fd = udp, .events = POLLIN };
        /* Once acknowledged the answer is on its way, and the server sends it again if it is lost: a minute is enough for the slowest function. */
        if (poll(&wait, 1, acknowledged ? 60000 : timeout) <= 0) {
            if (acknowledged) break;
            timeout *= 2;
            continue;
        }
        ssize_t length = recv(udp, in, sizeof in, 0);
        if (length < 4 || in[0] >> 6 != 1) continue;
        int type = (in[0] >> 4) & 3;
        uint16_t their_id = in[2] << 8 | in[3];
        if (in[1] == 0) {
            if (type == ACK && their_id == id) acknowledged = 1;
            if (type == RST && their_id == id) break;
            continue;
        }
        if ((in[0] & 0x0f) != 4 || length < 8 || memcmp(in + 4, token, 4) != 0) continue;
        if (type == CON) {
            uint8_t ack[4] = { 0x40 | (ACK << 4), 0, in[2], in[3] };
            if (send(udp, ack, sizeof ack, 0) < 0) perror("coap: send");
        }
        size_t payload = payload_offset(in, (size_t)length);
        fprintf(stderr, "%d.%02d\n", in[1] >> 5, in[1] & 0x1f);
        if (payload < (size_t)length) fwrite(in + payload, 1, (size_t)length - payload, stdout);
        return in[1] >> 5 == 2 ? 0 : 1;
    }
    fprintf(stderr, "coap: no answer\n");
    return 2;
}
