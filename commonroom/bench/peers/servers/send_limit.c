/* The limit of broadcasting over sockets: unmask, put a server's header before it, send() to every member.
 *
 * One thread, epoll, nonblocking sockets. Nothing is decoded, kept, ordered or checked beyond what the
 * WebSocket framing needs, so no server that writes each message to each socket can be cheaper.
 * BATCH=1 joins what came for a room in one round of epoll_wait and sends the joined bytes once a socket.
 * What a socket does not take at once waits in its own buffer: nothing is lost.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 1024,
    INPUT_BYTES = 256 * 1024, /* hence the largest message */
    ROOM_NAME_BYTES = 64,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
};

struct bytes {
    unsigned char *at;
    size_t size, capacity;
};

struct member {
    int fd;
    bool upgraded, dead;
    struct room *room;
    size_t place; /* in room->members */
    size_t input_size;
    struct bytes unsent;
    struct member *next_dead;
    unsigned char input[INPUT_BYTES];
};

struct room {
    char name[ROOM_NAME_BYTES];
    struct member **members;
    size_t count, capacity;
    struct bytes batch;
    struct room *next, *next_dirty;
};

static int epoll;
static bool batching;
static struct room *rooms, *dirty;
static struct member *dead;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *checked(void *memory) {
    if (!memory) fail("memory");
    return memory;
}

static void append(struct bytes *to, const unsigned char *from, size_t size) {
    if (to->size + size > to->capacity) {
        to->capacity = 2 * (to->size + size);
        to->at = checked(realloc(to->at, to->capacity));
    }
    memcpy(to->at + to->size, from, size);
    to->size += size;
}

static struct room *room_named(const char *name, size_t size) {
    struct room *room;
    for (room = rooms; room; room = room->next)
        if (strlen(room->name) == size && !memcmp(room->name, name, size)) return room;
    room = checked(calloc(1, sizeof *room));
    memcpy(room->name, name, size);
    room->next = rooms;
    return rooms = room;
}

static void join(struct member *member, struct room *room) {
    if (room->count == room->capacity) {
        room->capacity = room->capacity ? 2 * room->capacity : 16;
        room->members = checked(realloc(room->members, room->capacity * sizeof *room->members));
    }
    member->room = room;
    member->place = room->count;
    room->members[room->count++] = member;
}

/* Only marks: members of a room may be being walked. bury() ends it. */
static void drop(struct member *member) {
    if (member->dead) return;
    member->dead = true;
    member->next_dead = dead;
    dead = member;
}

static void bury(void) {
    while (dead) {
        struct member *member = dead;
        struct room *room = member->room;
        dead = member->next_dead;
        if (room) {
            struct member *last = room->members[--room->count];
            room->members[member->place] = last;
            last->place = member->place;
        }
        close(member->fd);
        free(member->unsent.at);
        free(member);
    }
}

static void watch(struct member *member, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = socket};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, member->fd, &event)) fail("epoll_ctl");
}

static void send_all(struct member *member, const unsigned char *from, size_t size) {
    ssize_t sent = 0;
    if (member->dead) return;
    if (!member->unsent.size) {
        sent = send(member->fd, from, size, MSG_NOSIGNAL);
        if (sent == (ssize_t)size) return;
        if (sent < 0 && errno != EAGAIN) {
            drop(member);
            return;
        }
        if (sent < 0) sent = 0;
        watch(member, EPOLLIN | EPOLLOUT);
    }
    append(&member->unsent, from + sent, size - (size_t)sent);
}

static void send_unsent(struct member *member) {
    struct bytes *unsent = &member->unsent;
    ssize_t sent = send(member->fd, unsent->at, unsent->size, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) drop(member);
        return;
    }
    unsent->size -= (size_t)sent;
    memmove(unsent->at, unsent->at + sent, unsent->size);
    if (!unsent->size) watch(member, EPOLLIN);
}

static void send_to_room(struct room *room, const unsigned char *frame, size_t size) {
    for (size_t i = 0; i < room->count; i++) send_all(room->members[i], frame, size);
}

static void broadcast(struct room *room, const unsigned char *frame, size_t size) {
    if (!batching) {
        send_to_room(room, frame, size);
        return;
    }
    if (!room->batch.size) {
        room->next_dirty = dirty;
        dirty = room;
    }
    append(&room->batch, frame, size);
}

static void flush(void) {
    for (; dirty; dirty = dirty->next_dirty) {
        send_to_room(dirty, dirty->batch.at, dirty->batch.size);
        dirty->batch.size = 0;
    }
}

/* One whole frame: a server's header is four bytes shorter than a client's, so it fits before the payload in place. */
static void frame_received(struct member *member, unsigned opcode, unsigned char *mask, size_t length_bytes, size_t size) {
    unsigned char *payload = mask + 4, *head = payload - 2 - length_bytes;
    for (size_t i = 0; i < size; i++) payload[i] ^= mask[i & 3];
    memmove(head + 2, mask - length_bytes, length_bytes);
    head[1] = (unsigned char)(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127);
    head[0] = (unsigned char)(0x80 | (opcode == OPCODE_PING ? OPCODE_PONG : opcode));
    if (opcode == OPCODE_TEXT || opcode == OPCODE_BINARY)
        broadcast(member->room, head, 2 + length_bytes + size);
    else if (opcode == OPCODE_PING || opcode == OPCODE_CLOSE)
        send_all(member, head, 2 + length_bytes + size);
    if (opcode == OPCODE_CLOSE) drop(member);
}

/* Returns how many bytes at `at` were a frame, 0 when more are needed. Fragments and what cannot fit end the socket. */
static size_t read_frame(struct member *member, unsigned char *at, size_t have) {
    size_t length_bytes, size;
    if (have < 2) return 0;
    if (!(at[0] & 0x80) || !(at[1] & 0x80)) {
        drop(member);
        return 0;
    }
    size = at[1] & 0x7F;
    length_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (have < 2 + length_bytes + 4) return 0;
    if (length_bytes) size = 0;
    for (size_t i = 0; i < length_bytes; i++) size = size << 8 | at[2 + i];
    if (size > INPUT_BYTES - 14) {
        drop(member);
        return 0;
    }
    if (have < 2 + length_bytes + 4 + size) return 0;
    frame_received(member, at[0] & 0x0F, at + 2 + length_bytes, length_bytes, size);
    return 2 + length_bytes + 4 + size;
}

/* Sec-WebSocket-Accept is a fixed text: only a client that does not check it can speak to this server. */
static size_t upgrade(struct member *member) {
    static const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    char *head = (char *)member->input;
    char *end = memmem(head, member->input_size, "\r\n\r\n", 4);
    char *name = memmem(head, member->input_size, "?room=", 6);
    size_t size;
    if (!end) return 0;
    size = name && name < end ? strcspn(name += 6, " &\r") : ROOM_NAME_BYTES;
    if (size >= ROOM_NAME_BYTES) {
        drop(member);
        return 0;
    }
    join(member, room_named(name, size));
    member->upgraded = true;
    send_all(member, (const unsigned char *)answer, sizeof answer - 1);
    return (size_t)(end + 4 - head);
}

static void receive(struct member *member) {
    ssize_t got = recv(member->fd, member->input + member->input_size, INPUT_BYTES - member->input_size, 0);
    size_t used = 0;
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) drop(member);
        return;
    }
    member->input_size += (size_t)got;
    if (!member->upgraded && !(used = upgrade(member))) return;
    while (!member->dead) {
        size_t frame = read_frame(member, member->input + used, member->input_size - used);
        if (!frame) break;
        used += frame;
    }
    member->input_size -= used;
    memmove(member->input, member->input + used, member->input_size);
}

static void accept_one(int listener) {
    int yes = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    event.data.ptr = checked(calloc(1, sizeof(struct member)));
    ((struct member *)event.data.ptr)->fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static int listen_on(int port) {
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) fail("listen");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
    return fd;
}

int main(void) {
    static struct epoll_event events[EVENTS];
    const char *port = getenv("PORT"), *batch = getenv("BATCH");
    int listener;
    if (!port) return fputs("PORT is not set\n", stderr), 1;
    batching = batch && !strcmp(batch, "1");
    if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("epoll_create1");
    listener = listen_on(atoi(port));
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct member *member = events[i].data.ptr;
            if (!member) {
                accept_one(listener);
                continue;
            }
            if (!member->dead && events[i].events & EPOLLOUT) send_unsent(member);
            if (!member->dead && events[i].events & ~(unsigned)EPOLLOUT) receive(member);
        }
        flush();
        bury();
    }
}
