// A disk that does not take writes while a file is there (LD_PRELOAD): FAILING_DISK names it, and
// in it stands the errno. As a disk does, it takes the first half before it says so; and what is
// read-only or broken cannot be cut back either.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failure(void) {
    const char* const name = getenv("FAILING_DISK");
    FILE* const file = name == NULL ? NULL : fopen(name, "re");
    int number = 0;
    if (file != NULL) {
        if (fscanf(file, "%d", &number) != 1) {
            number = 0;
        }
        fclose(file);
    }
    return number;
}

static int fails(int number) {
    errno = number;
    return -1;
}

static _Thread_local int half_written = -1;

ssize_t write(int file, const void* bytes, size_t size) {
    const int flags = fcntl(file, F_GETFL);
    const int number = file <= 2 || flags == -1 || (flags & O_APPEND) == 0 ? 0 : failure();
    if (number == 0 || (size > 1 && half_written != file)) {
        half_written = number == 0 ? -1 : file;
        return syscall(SYS_write, file, bytes, number == 0 ? size : size / 2);
    }
    half_written = -1;
    return fails(number);
}

int ftruncate(int file, off_t size) {
    const int number = failure();
    return number == EROFS || number == EIO ? fails(number)
                                            : (int)syscall(SYS_ftruncate, file, size);
}

int fdatasync(int file) {
    const int number = failure();
    return number == EIO ? fails(number) : (int)syscall(SYS_fdatasync, file);
}

int openat(int directory, const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    const int makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    const int number = makes ? failure() : 0;
    return number != 0 ? fails(number) : (int)syscall(SYS_openat, directory, path, flags, mode);
}
