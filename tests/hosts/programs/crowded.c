/* Maps more files than the journal tells of, its library's behind them, and then calls a function that does not come back. */

#include <fcntl.h>
#include <sys/mman.h>

void library_entry(void);

int main(void) {
    int file = open("/etc/passwd", O_RDONLY);
    for (int page = 0; page < 200; page++)
        mmap(0, 4096, page % 2 ? PROT_READ : PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    library_entry();
    return 0;
}
