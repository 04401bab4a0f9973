/* Programs of known cost: each does one thing that makes accounting for processes difficult.
 *
 *   programs NAME [ARGUMENTS]
 *
 * At its start it joins the control groups in $CGROUPS (files `cgroup.procs`, separated by colons), whose accounts then
 * only contain the program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024L * 1024L)

static const char *self;

static void must(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(99);
    }
}

static long used_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Uses this much CPU time in this thread, in user mode. */
static void burn(long ms) {
    for (long end = used_ms() + ms; used_ms() < end;)
        for (volatile int i = 0; i < 200000; i++) {}
}

/* Uses this much CPU time in the kernel. */
static void burn_in_kernel(long ms) {
    static char buffer[65536];
    int zero = open("/dev/zero", O_RDONLY);
    must(zero >= 0, "/dev/zero");
    for (long end = used_ms() + ms; used_ms() < end;)
        for (int i = 0; i < 50; i++) must(read(zero, buffer, sizeof buffer) > 0, "read");
    close(zero);
}

static void nap(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}

static void await_all(void) {
    while (wait(NULL) > 0 || errno == EINTR) {}
}

static pid_t begin(void) {
    pid_t pid = fork();
    must(pid >= 0, "fork");
    return pid;
}

static char *memory(long mib) {
    char *at = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(at != MAP_FAILED, "mmap");
    madvise(at, mib * MIB, MADV_NOHUGEPAGE);
    memset(at, 1, mib * MIB);
    return at;
}

/* Children and grandchildren, all waited for. */
static void tree(void) {
    for (int i = 0; i < 3; i++)
        if (begin() == 0) {
            if (begin() == 0) {
                burn(200);
                _exit(0);
            }
            burn(150);
            await_all();
            _exit(0);
        }
    burn(100);
    await_all();
}

static void *thread(void *ms) {
    burn((long)ms);
    return NULL;
}

/* Some end long before the process does. */
static void threads(void) {
    pthread_t all[5];
    for (long i = 0; i < 5; i++) must(pthread_create(&all[i], NULL, thread, (void *)(100 * (i + 1))) == 0, "pthread_create");
    for (int i = 0; i < 5; i++) pthread_join(all[i], NULL);
    burn(200);
}

/* A textbook daemon, in another session and reparented. The program waits for it, or leaves it. */
static void daemonise(int wait_for_it) {
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    if (begin() == 0) {
        setsid();
        if (begin() == 0) {
            close(ends[0]);
            burn(600);
            if (!wait_for_it) {
                must(write(ends[1], "", 1) == 1, "write");
                for (int fd = 0; fd < 3; fd++) close(fd);
                nap(60000);
            }
            _exit(0);
        }
        _exit(0);
    }
    await_all();
    close(ends[1]);
    char byte;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {}
    burn(100);
    nap(300);
}

/* Orphans in three generations; each outlives its parent. */
static void orphans(void) {
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    for (int generation = 0; generation < 4; generation++) {
        pid_t child = begin();
        if (child == 0 && generation == 3) {
            burn(100);
            _exit(0);
        }
        if (child != 0 && generation > 0) {
            burn(100);
            _exit(0);
        }
        if (child != 0) break;
    }
    close(ends[1]);
    char byte;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {}
    await_all();
    nap(200);
}

/* The kernel reaps its children without reporting their usage. The parent continues. */
static void ignore(void) {
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        if (begin() == 0) {
            burn(600);
            _exit(0);
        }
        await_all();
    }
    burn(800);
}

/* A child that ends with its parent, or this much later, like the command of a shell's `> >(COMMAND)`. */
static void follower(long late_us) {
    int there[2], back[2];
    char byte = 0;
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    if (begin() == 0) {
        close(there[1]);
        burn(300);
        must(write(back[1], &byte, 1) == 1, "write");
        must(read(there[0], &byte, 1) == 0, "read");
        struct timespec late = {0, late_us * 1000};
        nanosleep(&late, NULL);
        _exit(0);
    }
    must(read(back[0], &byte, 1) == 1, "read");
}

/* Memory that exists only briefly, in the process itself or in a child that ends with it. */
static void spike(long mib, int in_child) {
    nap(250);
    if (!in_child || begin() == 0) {
        munmap(memory(mib), mib * MIB);
        if (in_child) _exit(0);
    }
    await_all();
    nap(250);
}

/* Uses this share of each 50 ms, forever. */
static void duty(long percent) {
    for (long begun = used_ms(), rounds = 1;; rounds++) {
        while (used_ms() - begun < rounds * percent / 2) burn(1);
        nap(50 - percent / 2);
    }
}

/* This many processes at the same time, each with this much memory. */
static void hold(long processes, long mib) {
    for (long i = 0; i < processes; i++)
        if (begin() == 0) {
            memory(mib);
            nap(1000);
            _exit(0);
        }
    await_all();
}

static void to_file(const char *path, int flags, long mib) {
    void *block = NULL;
    must(posix_memalign(&block, 4096, MIB) == 0, "posix_memalign");
    memset(block, 7, MIB);
    int fd = open(path, flags, 0600);
    must(fd >= 0, path);
    for (long i = 0; i < mib; i++) {
        ssize_t done = flags & O_CREAT ? write(fd, block, MIB) : read(fd, block, MIB);
        must(done == MIB, path);
    }
    if (flags & O_CREAT) must(fsync(fd) == 0, "fsync");
    close(fd);
    free(block);
}

/* Writes and reads 32 MiB without the page cache, writes 16 MiB through it, and 8 MiB in a child. */
static void disk(const char *path) {
    to_file(path, O_WRONLY | O_CREAT | O_DIRECT, 32);
    to_file(path, O_RDONLY | O_DIRECT, 32);
    to_file(path, O_WRONLY | O_CREAT | O_TRUNC, 16);
    if (begin() == 0) {
        to_file(path, O_WRONLY | O_CREAT | O_DIRECT, 8);
        _exit(0);
    }
    await_all();
    unlink(path);
    nap(300);
}

/* Two processes that wait for each other. */
static void switches(long rounds) {
    int there[2], back[2];
    char byte = 0;
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    if (begin() == 0) {
        for (long i = 0; i < rounds; i++)
            must(read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1, "child");
        _exit(0);
    }
    for (long i = 0; i < rounds; i++)
        must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "parent");
    await_all();
}

static void children(long number) {
    for (long i = 0; i < number; i++)
        if (begin() == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        } else
            await_all();
}

static void join(char *groups) {
    for (char *path = strtok(groups, ":"); path; path = strtok(NULL, ":")) {
        int fd = open(path, O_WRONLY);
        must(fd >= 0 && write(fd, "0", 1) == 1, path);
        close(fd);
    }
    unsetenv("CGROUPS");
}

int main(int argc, char **argv) {
    self = argv[0];
    const char *name = argc > 1 ? argv[1] : "";
    long number = argc > 2 ? atol(argv[2]) : 0, second = argc > 3 ? atol(argv[3]) : 0;
    if (getenv("CGROUPS")) join(getenv("CGROUPS"));
#define IS(text) (strcmp(name, text) == 0)
    if (IS("burn")) { burn(number); burn_in_kernel(second); }
    else if (IS("tree")) tree();
    else if (IS("threads")) threads();
    else if (IS("exec")) {
        burn(300);
        execl(self, "another", "burn", "400", "100", (char *)NULL);
        return 127;
    }
    else if (IS("daemon")) daemonise(1);
    else if (IS("daemon-left")) daemonise(0);
    else if (IS("orphans")) orphans();
    else if (IS("ignore")) ignore();
    else if (IS("follower")) follower(number);
    else if (IS("spike")) spike(number, 0);
    else if (IS("child-spike")) spike(number, 1);
    else if (IS("duty")) duty(number);
    else if (IS("hold")) hold(number, second);
    else if (IS("disk")) disk(argv[2]);
    else if (IS("switches")) switches(number);
    else if (IS("children")) children(number);
    else if (IS("status")) return number;
    else if (IS("signal")) { kill(getpid(), number); nap(1000); }
    else {
        fprintf(stderr, "%s: no such program\n", name);
        return 2;
    }
    return 0;
}
