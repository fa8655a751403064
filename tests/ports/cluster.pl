# A cluster as small as one can be, examined through the harness for Perl: right, or wrong as it is told.
#
#     perl cluster.pl [HOW]
#
# As small_cluster.py: a node has a version on its media, numbered by a tid. Whoever is in step has the last one; if those
# are too few, the highest version that a majority of the masters shows is stamped anew, on a majority.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../impl/hammer2_oracle/harnesses";
use Hammer2Conform;

our $how = $ARGV[0] // '';

package Cluster;

sub new {
    my ($class, $nodes, $pfs_nmasters) = @_;
    my @nodes = map {
        { master => $_ eq 'master', media => { tid => 0, files => {} }, there => 1, in_step => 1, leaves => '' }
    } @$nodes;
    return bless { nodes => \@nodes, majority => int($pfs_nmasters / 2) + 1, tid => 0 }, $class;
}

sub masters { my ($self, $what) = @_; return grep { $_->{master} && $_->{there} && $_->{$what} } @{ $self->{nodes} } }

sub leave { my ($node) = @_; @$node{qw(leaves there in_step)} = ('', 0, 0); return 0 }

sub flush {
    my ($node, $version) = @_;
    return leave($node) if $node->{leaves} eq 'flush';
    @$node{qw(media empty)} = ($version, 0);
    return 1;
}

sub brought { my ($node, $version) = @_; return $node->{leaves} eq 'resync' ? leave($node) : flush($node, $version) }

sub lose_step { my ($self, $why) = @_; $_->{in_step} = 0 for @{ $self->{nodes} }; die $why }

sub members {
    my ($self) = @_;
    my @members = $self->masters('in_step');
    return @members if @members >= $self->{majority};
    my @seen = grep { !$_->{empty} || $how eq 'empty-votes' } $self->masters('there');
    die $Hammer2Conform::REFUSED if @seen < $self->{majority};
    my ($best) = sort { $b->{tid} <=> $a->{tid} } map { $_->{media} } @seen;
    my $version = { tid => ++$self->{tid}, files => $best->{files} };
    $_->{in_step} = $_->{there} && brought($_, $version) for @{ $self->{nodes} };
    @members = $self->masters('in_step');
    $self->lose_step($Hammer2Conform::REFUSED) if @members < $self->{majority};
    return @members;
}

sub change {
    my ($self, $name, $content) = @_;
    my ($first) = my @members = $self->members;
    my %files = (%{ $first->{media}{files} }, $name => $content);
    delete $files{$name} unless defined $content;
    my $version = { tid => ++$self->{tid}, files => \%files };
    my $done = grep { flush($_, $version) } @members;
    $_->{in_step} &&= $_->{master} for @{ $self->{nodes} };
    $self->lose_step($Hammer2Conform::UNKNOWN) if $done < $self->{majority} && $how ne 'early';
}

sub put { my ($self, $name, $content, $client) = @_; $self->change($name, $content); $self->{seen}[$client]{$name} = $content }
sub remove { my ($self, $name, $client) = @_; $self->change($name, undef); delete $self->{seen}[$client]{$name} }

sub get {
    my ($self, $name, $client) = @_;
    my ($first) = $self->members;
    return $how eq 'cached' && $self->{seen}[$client]{$name} || $first->{media}{files}{$name};
}

sub fail {
    my ($self, $n, $at) = @_;
    my $node = $self->{nodes}[$n];
    return leave($node) if $at eq 'now';
    $node->{leaves} = $at if $node->{there};
}

sub crash { my ($self, $n, $at) = @_; $self->fail($n, $at) }
sub replace { my ($self, $n) = @_; @{ $self->{nodes}[$n] }{qw(there in_step leaves media empty)} = (1, 0, '', { tid => 0, files => {} }, 1) }
sub reconnect { my ($self, $n) = @_; @{ $self->{nodes}[$n] }{qw(there leaves)} = (1, '') }

sub resync {
    my ($self) = @_;
    my ($source) = map { $_->{media} } $self->members;
    $_->{in_step} = brought($_, $source) for grep { $_->{there} && !$_->{in_step} } @{ $self->{nodes} };
    die $Hammer2Conform::REFUSED if $self->masters('in_step') < $self->{majority};
}

sub status {
    my ($self) = @_;
    return map { !$_->{there} && $how ne 'forgets' ? 'away' : $_->{in_step} || $how eq 'forgets' ? 'synchronized' : 'behind' }
        @{ $self->{nodes} };
}

package main;

exit Hammer2Conform::serve('small cluster', '1', 'repaired', undef, sub { Cluster->new(@_) }, ['clients', 'replace']);
