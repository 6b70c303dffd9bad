/* Crashes in a function whose name takes half a minute to be made readable. */

void endless(volatile int *place) __asm__("_Z1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL"
                                          "1aIcvStL1aIcvStL");

__attribute__((noipa)) void endless(volatile int *place) {
    *place = 1;
}

__attribute__((noipa)) static int ordinary(volatile int *place) {
    endless(place);
    return *place;
}

int main(void) {
    return ordinary(0);
}
