# The original's decision in Perl, to be examined.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../impl/hammer2_oracle/harnesses";
use Hammer2Conform;

my ($SLAVE, $SOFT_SLAVE, $SOFT_MASTER, $MASTER, $SUPROOT) = (3, 4, 5, 6, 8);
my ($WRHARD, $RDHARD, $WRSOFT, $RDSOFT, $MSYNCED, $SSYNCED) = (0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000);
my $ZFLAGS = 0x3F00;

sub decide {
    my ($question) = @_;
    my ($slots, $pfs_nmasters, $focus, $flags) = @{$question}{qw(slots pfs_nmasters focus flags)};
    my ($error, $nflags, $focus_type) = (0, 0, 0);
    my ($quorum_tid, $nmasters, $ttlmasters, $nslaves, $ttlslaves) = (0, 0, 0, 0, 0);
    my $as_it_is = sub { return { outcome => $_[0], focus => $focus, error => $error, flags => $flags } };
    return $as_it_is->('kkassert:L408') if !defined $pfs_nmasters && @$slots;
    my $nquorum = defined $pfs_nmasters ? int($pfs_nmasters / 2) + 1 : 0;

    for my $i (grep { defined $slots->[$_] } 0 .. $#$slots) {
        my $chain = $slots->[$i];
        if ($chain->{pfs_type} == $MASTER) {
            $ttlmasters++;
            if ($quorum_tid < $chain->{mirror_tid} || $nmasters == 0) {
                ($nmasters, $quorum_tid) = (1, $chain->{mirror_tid});
            } elsif ($quorum_tid == $chain->{mirror_tid}) {
                $nmasters++;
            }
        }
        $ttlslaves++ if $chain->{pfs_type} == $SLAVE;
        $nflags |= $WRSOFT | $RDSOFT if $chain->{pfs_type} == $SOFT_MASTER;
        $nflags |= $RDSOFT if $chain->{pfs_type} == $SOFT_SLAVE;
        if ($chain->{pfs_type} == $SUPROOT) {
            $nflags |= $WRHARD | $RDHARD;
            ($focus, $error) = ($i, $chain->{error});
        }
    }
    for my $i (grep { defined $slots->[$_] } 0 .. $#$slots) {
        my $chain = $slots->[$i];
        my $believed = $nmasters >= $nquorum && $chain->{error} == 0 && $quorum_tid == $chain->{mirror_tid};
        if ($chain->{pfs_type} == $MASTER && $believed) {
            $nflags |= $WRHARD | $RDHARD;
            ($focus_type, $focus, $error) = ($MASTER, $i, 0) if !defined $focus || $focus_type == $SLAVE;
        } elsif ($chain->{pfs_type} == $SLAVE && $believed) {
            $nslaves++;
            $nflags |= $RDHARD;
            ($focus_type, $focus, $error) = ($SLAVE, $i, 0) if !defined $focus;
        } elsif ($chain->{pfs_type} == $SOFT_MASTER) {
            return $as_it_is->('kkassert:L510') if $focus_type == $SOFT_MASTER;
            ($focus_type, $focus, $error) = ($SOFT_MASTER, $i, $chain->{error});
        } elsif ($chain->{pfs_type} == $SOFT_SLAVE) {
            return $as_it_is->('kkassert:L520') if $focus_type == $SOFT_SLAVE;
            ($focus_type, $focus, $error) = ($SOFT_SLAVE, $i, $chain->{error}) if $focus_type != $SOFT_MASTER;
        }
    }
    $nflags |= $SSYNCED if $nslaves == $ttlslaves;
    $nflags |= $MSYNCED if $nmasters == $ttlmasters;
    return { focus => $focus, error => $error, flags => ($flags & ~$ZFLAGS) | $nflags };
}

exit Hammer2Conform::serve('port', '1', 'seed', \&decide);
