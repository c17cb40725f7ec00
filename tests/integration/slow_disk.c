// A disk for a program under test (LD_PRELOAD) whose fdatasync() takes a while, and fails while a
// file is there: SLOW_DISK_MS milliseconds, SLOW_DISK_BROKEN the file's name.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int file) {
    const char* const wait = getenv("SLOW_DISK_MS");
    const char* const broken = getenv("SLOW_DISK_BROKEN");
    if (wait != NULL) {
        long ms = 0;
        for (const char* digit = wait; *digit != '\0'; ++digit) {
            ms = ms * 10 + (*digit - '0');
        }
        const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&time, NULL);
    }
    if (broken != NULL && access(broken, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, file);
}
