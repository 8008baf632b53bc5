/* A disk that fails on demand, or loses power, for a program that was linked dynamically: LD_PRELOAD of this library.
 *
 * FAULTY_DISK names a folder: only files in it are meant. FAULTY_SWITCH names a file. While its content begins with `E`,
 * writes and syncs of these files fail with EIO. When it begins with `P`, power is lost at the next of them: of what was
 * written since the last sync of each file every block of 512 bytes is kept or taken back by the toss of a coin, and the
 * process ends as by kill -9. Names are durable at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, KNOWN_FDS = 4096 };

struct undo {
    struct undo *next;
    dev_t device;
    ino_t inode;
    off_t at, length;  /* Place of the block, and length of the file before the write. */
    ssize_t old;       /* Bytes of it that were there. */
    char bytes[BLOCK];
};

static struct undo *undone;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_meant(int fd) {
    const char *folder = getenv("FAULTY_DISK");
    char link[64], path[4096];
    if (!folder || fd < 0 || fd >= KNOWN_FDS) return 0;
    /* By hand: nothing here may allocate or write through what is replaced. */
    int at = 14, digits = 1;
    memcpy(link, "/proc/self/fd/", 14);
    for (int rest = fd; rest >= 10; rest /= 10) digits++;
    for (int place = digits - 1, rest = fd; place >= 0; place--, rest /= 10) link[at + place] = '0' + rest % 10;
    link[at + digits] = 0;
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0 && path[strlen(folder)] == '/';
}

static char state(void) {
    const char *name = getenv("FAULTY_SWITCH");
    char found = 0;
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    if (read(fd, &found, 1) != 1) found = 0;
    close(fd);
    return found;
}

static void power_off(void) {
    struct undo *each;
    int random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    unsigned char coin = 0;
    /* Latest first: what was there before the first of several writes of a block comes back last. */
    for (each = undone; each; each = each->next) {
        char path[64];
        struct stat about;
        if (random >= 0 && read(random, &coin, 1) == 1 && (coin & 1)) continue;
        for (int fd = 0; fd < KNOWN_FDS; fd++) {
            if (fstat(fd, &about) || about.st_dev != each->device || about.st_ino != each->inode) continue;
            (void)path;
            if (each->old > 0) (void)!NEXT(pwrite64)(fd, each->bytes, each->old, each->at);
            if (each->at + each->old >= each->length && about.st_size > each->length) (void)!ftruncate(fd, each->length);
            break;
        }
    }
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether the call fails. Called with the mutex held. */
static int fails(int fd) {
    if (!is_meant(fd)) return 0;
    switch (state()) {
    case 'E': return 1;
    case 'P': power_off();
    }
    return 0;
}

static void remember(int fd, size_t count, off_t from) {
    struct stat about;
    if (!getenv("FAULTY_POWER") || !is_meant(fd) || fstat(fd, &about)) return;
    for (off_t at = from - from % BLOCK; at < from + (off_t)count; at += BLOCK) {
        struct undo *each = malloc(sizeof *each);
        if (!each) return;
        each->device = about.st_dev, each->inode = about.st_ino, each->at = at, each->length = about.st_size;
        each->old = pread(fd, each->bytes, BLOCK, at);
        each->next = undone, undone = each;
    }
}

static void forget(int fd) {
    struct stat about;
    if (fstat(fd, &about)) return;
    for (struct undo **each = &undone; *each;) {
        struct undo *gone = *each;
        if (gone->device == about.st_dev && gone->inode == about.st_ino) {
            *each = gone->next;
            free(gone);
        } else {
            each = &gone->next;
        }
    }
}

#define GUARDED(fd, before, call, after) \
    pthread_mutex_lock(&mutex);          \
    int bad = fails(fd);                 \
    if (!bad) { before; }                \
    ssize_t done = bad ? -1 : call;      \
    int why = bad ? EIO : errno;         \
    if (done >= 0) { after; }            \
    pthread_mutex_unlock(&mutex);        \
    errno = why;                         \
    return done;

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    GUARDED(fd, remember(fd, count, at), NEXT(pwrite64)(fd, bytes, count, at), (void)0)
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    GUARDED(fd, remember(fd, count, at), NEXT(pwrite)(fd, bytes, count, at), (void)0)
}

ssize_t write(int fd, const void *bytes, size_t count) {
    if (!is_meant(fd)) return NEXT(write)(fd, bytes, count);
    GUARDED(fd, remember(fd, count, lseek(fd, 0, SEEK_CUR)), NEXT(write)(fd, bytes, count), (void)0)
}

int fsync(int fd) {
    GUARDED(fd, (void)0, NEXT(fsync)(fd), forget(fd))
}

int fdatasync(int fd) {
    GUARDED(fd, (void)0, NEXT(fdatasync)(fd), forget(fd))
}
