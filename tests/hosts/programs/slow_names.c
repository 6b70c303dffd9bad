/* Crashes below eight functions, each of whose names takes half a minute to be made readable. */

#define ENDLESS "IcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL1aIcvStL"

#define FUNCTION(name, letter, body)                            \
    int name(volatile int *place) __asm__("_Z1" letter ENDLESS); \
    __attribute__((noipa)) int name(volatile int *place) {      \
        body;                                                   \
    }

FUNCTION(first, "a", *place = 1; return 1)
FUNCTION(second, "b", return first(place) + 1)
FUNCTION(third, "c", return second(place) + 1)
FUNCTION(fourth, "d", return third(place) + 1)
FUNCTION(fifth, "e", return fourth(place) + 1)
FUNCTION(sixth, "f", return fifth(place) + 1)
FUNCTION(seventh, "g", return sixth(place) + 1)
FUNCTION(eighth, "h", return seventh(place) + 1)

int main(void) {
    return eighth(0) + 1;
}
