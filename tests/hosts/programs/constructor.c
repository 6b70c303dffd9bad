/* A library that leaves a mark wherever a program of root's loads it. */
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void)
{
    if (geteuid() == 0)
        close(open("/home/app/root-loaded-a-library", O_CREAT | O_WRONLY, 0600));
}
