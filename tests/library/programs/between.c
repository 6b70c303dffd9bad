/* A library that calls what it is given, like an event loop. */

static volatile int after;

__attribute__((noinline)) static int pass_on_within(int (*further)(void)) {
    int result = further();
    after++;
    return result;
}

int pass_on(int (*further)(void)) {
    int result = pass_on_within(further);
    after++;
    return result;
}
