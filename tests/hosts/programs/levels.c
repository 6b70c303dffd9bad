/* Three calls deep into a null pointer. */

static volatile int sink;

__attribute__((noinline)) void reach_too_far(int *where) {
    sink++;
    *where = 42;
}

__attribute__((noinline)) void descend(int depth) {
    if (depth == 0)
        reach_too_far((int *)0);
    else
        descend(depth - 1);
    sink++;
}

int main(void) {
    descend(2);
    return sink;
}
