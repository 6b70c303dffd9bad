/* Calls a function of a shared library that does not come back. */

void library_entry(void);

int main(void) {
    library_entry();
    return 0;
}
