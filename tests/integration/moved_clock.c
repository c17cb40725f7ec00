// Clocks that are ahead, for a program under test (LD_PRELOAD): by as many seconds as stand, as
// eight bytes, in the file that MOVED_CLOCK names, which may be written to while it runs. What
// waits, waits as long as ever.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* ahead;

__attribute__((constructor)) static void open_file(void) {
    const char* const name = getenv("MOVED_CLOCK");
    const int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    void* const bytes = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED) {
        abort();
    }
    close(file);
    ahead = bytes;
}

static int is_moved(clockid_t clock) {
    return ahead != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ||
                             clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE ||
                             clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
    const int status = (int)syscall(SYS_clock_gettime, clock, time);
    if (status == 0 && is_moved(clock)) {
        time->tv_sec += *ahead;
    }
    return status;
}

// Until a time that was reckoned from a clock above.
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* until) {
    static int (*wait)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*);
    if (wait == NULL) {
        *(void**)&wait = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    }
    struct timespec real = *until;
    if (is_moved(clock)) {
        real.tv_sec -= *ahead;
    }
    return wait(condition, mutex, clock, &real);
}
