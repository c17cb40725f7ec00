// Writes to files that grow take effect in two pieces with a pause between them, for a program
// under test (LD_PRELOAD): a kill that comes then leaves a line torn, at any of its bytes. The
// kernel may do the same, where a write is longer than a page; rarely enough for no test to meet
// it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local size_t left;  // of the write that was cut short, which is tried again for this

ssize_t write(int file, const void* bytes, size_t size) {
    const int flags = fcntl(file, F_GETFL);
    if (size < 2 || size == left || flags == -1 || (flags & O_APPEND) == 0) {
        left = 0;
        return syscall(SYS_write, file, bytes, size);
    }
    unsigned number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number) {
        number = 0;
    }
    const ssize_t written = syscall(SYS_write, file, bytes, 1 + number % (size - 1));
    left = written > 0 ? size - (size_t)written : 0;
    const struct timespec pause = {0, 300 * 1000};
    nanosleep(&pause, NULL);
    return written;
}
