/* Makes the folder of a ward's runs before the helper does, if it can: RACER FIRST LAST, the numbers of the wards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    int first = atoi(words[1]), last = atoi(words[2]);
    alarm(300);
    for (int ward = first; ward <= last; ward++) {
        char path[96];
        snprintf(path, sizeof path, "/run/unitward/wards/w%d/runs", ward);
        /* Until somebody has made it. */
        do {
            errno = 0;
            if (mkdir(path, 0777) == 0) {
                puts(path);
                return 0;
            }
        } while (errno != EEXIST);
    }
    pause();
}
