package Hammer2Conform;

# Lets `hammer2-cluster conform` examine a port of hammer2_cluster_resolve() that can be called from Perl.
#
#     use lib '.';
#     use Hammer2Conform;
#
#     sub decide {
#         my ($question) = @_;
#         ... call your resolve ...
#         return { outcome => 'ok', focus => 0, error => 0, flags => 0x3304 };
#     }
#
#     exit Hammer2Conform::serve('my port', '0.1', 'seed', \&decide);
#
#     $ hammer2-cluster conform -- perl port.pl
#
# A question is a hash:
#     slots         a list; undef where there is no chain, else { pfs_type => 6, mirror_tid => 7, error => 0 }
#     pfs_nmasters  0..255, or undef: the cluster has no PFS, its pmp is NULL
#     focus         the focus before: a slot, 'foreign' (a chain, but no member of the cluster), or undef
#     flags         the cluster's flags before
# An answer is one too: outcome ('ok', or the name of an assertion like 'kkassert:L510'), focus, error, flags.
#
# A whole cluster is examined too, if a fifth argument begins one: it is called for each scenario with a list of 'master'
# and 'slave', and pfs_nmasters, and returns an object with the methods put(name, content), remove(name), get(name),
# fail(node, at), crash(node, at), reconnect(node), resync() and status(), which returns a list of 'synchronized',
# 'behind' and 'away'. A sixth argument, a list, declares what else it does: 'clients' (put, remove and get have one more
# argument, the client: 0 or 1), 'replace' (a method of a node whose media are lost, and new). What is not done dies with $Hammer2Conform::REFUSED, what may be done later with $UNKNOWN.
#
# Needs a perl with integers of 64 bits, and nothing beyond what comes with it.

use strict;
use warnings;
use JSON::PP ();

our $PROTOCOL = 1;
our ($REFUSED, $UNKNOWN) = (\'refused', \'unknown');
my %DEFAULT = (at => 'now', client => 0);
my %ENDING = (get => 'read', status => 'shown', put => 'acknowledged', remove => 'acknowledged');
my %FIELDS = (put => ['name', 'content', 'client'], remove => ['name', 'client'], get => ['name', 'client'],
    reconnect => ['node'], replace => ['node'], fail => ['node', 'at'], crash => ['node', 'at'], resync => [], status => []);

# Answer the oracle until it says stop. The name and the version are for people; the semantics say what of the original
# is mended: 'seed', 'repaired', '+name,..' or '-name,..'. $resolve, or $begin, may be undef. Returns the status to leave
# with.
sub serve {
    my ($name, $version, $semantics, $resolve, $begin, $capabilities) = @_;
    my $json = JSON::PP->new->utf8;
    my $introduction = {
        protocol => $PROTOCOL, name => $name, language => 'Perl', version => $version,
        parts => [$resolve ? 'resolve' : (), $begin ? 'scenarios' : ()], semantics => $semantics,
        capabilities => $capabilities // [],
    };
    my $cluster;
    local $| = 1;
    while (my $line = <STDIN>) {
        my $message = $json->decode($line);
        return 0 if exists $message->{stop};
        my $said;
        if (exists $message->{start}) {
            $said = { started => $introduction };
        } elsif ($begin && exists $message->{scenario}) {
            $cluster = $begin->($message->{scenario}{nodes}, $message->{scenario}{pfs_nmasters});
            $said = { run => $message->{run}, result => { ended => 'done' } };
        } elsif ($cluster && exists $message->{step}) {
            $said = { run => $message->{run}, result => _stepped($cluster, $message->{step}) };
        } elsif ($resolve && exists $message->{resolve}) {
            $said = { run => $message->{run}, result => [map { _answered($_, $resolve) } @{ $message->{resolve} }] };
        } else {
            $said = { run => $message->{run}, skipped => "this harness knows @{[join ' and ', @{ $introduction->{parts} }]} alone" };
        }
        print $json->encode($said), "\n";
    }
    print STDERR "Hammer2Conform: the oracle has gone without saying stop\n";
    return 2;
}

sub _stepped {
    my ($cluster, $step) = @_;
    my $do = $step->{do};
    my @came = eval { $cluster->$do(map { $step->{$_} // $DEFAULT{$_} } @{ $FIELDS{$do} }) };
    if (my $why = $@) {
        die $why unless ref $why && ($why == $REFUSED || $why == $UNKNOWN);
        return { ended => $$why };
    }
    my $result = { ended => $ENDING{$do} // 'done' };
    $result->{content} = $came[0] if $do eq 'get';
    $result->{nodes} = [@came] if $do eq 'status';
    return $result;
}

sub _answered {
    my ($asked, $resolve) = @_;
    my @slots = map { defined $_ ? { pfs_type => $_->[0], mirror_tid => $_->[1], error => $_->[2] } : undef } @{ $asked->{s} };
    my $answer = $resolve->({
        slots => \@slots, pfs_nmasters => $asked->{m}, focus => $asked->{p}, flags => $asked->{f},
    });
    my $focus = $answer->{focus};
    $focus += 0 if defined $focus && $focus ne 'foreign';    # a number, whatever it was last used as
    return { o => $answer->{outcome} // 'ok', F => $focus, e => $answer->{error} + 0, g => $answer->{flags} + 0 };
}

1;
