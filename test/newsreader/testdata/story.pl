#!/usr/bin/perl
# Alice and Bob write to each other with Net::NNTP.
#
# usage: story.pl HOST PORT ALICE-PASSPHRASE BOB-PASSPHRASE

use strict;
use warnings;
use Net::NNTP;
use Time::HiRes qw(sleep time);

my ($host, $port, $alice, $bob) = @ARGV;
my $patience = 180;    # seconds until the next batches have left

my $subject = 'Postlagernd =?UTF-8?B?ZsO8cg==?= somebody';
my $card    = "I collect letters that nobody came for, f\xc3\xbcr immer.";
my $reply   = 'The violin is under the third stair.';
my $back    = 'What did she play on it?';

sub must {
    my ($true, $what) = @_;
    die "not so: $what\n" unless $true;
}

sub connected {
    my ($handle, $passphrase) = @_;
    my $s = Net::NNTP->new($host, Port => $port, Reader => 1, Timeout => $patience) or die "no connection: $@\n";
    if ($handle) {
        $s->authinfo($handle, $passphrase) or die 'login: ', $s->message;
    }
    return $s;
}

# posted posts an article and returns the message-id that it got.
sub posted {
    my ($s, @lines) = @_;
    $s->post(map { "$_\n" } @lines) or die 'post: ', $s->code, ' ', $s->message;
    $s->message =~ /(<[^>]+>)/ or die 'no message-id in ', $s->message;
    return $1;
}

# awaited waits until an article of a group says words, and returns it as text.
sub awaited {
    my ($s, $group, $words) = @_;
    my $late = time + $patience;
    while (time < $late) {
        my ($count, $first, $last) = $s->group($group);
        defined $count or die "$group: ", $s->message;
        if ($count) {
            my $over = $s->xover([$first, $last]) or die 'xover: ', $s->message;
            for my $number (sort { $a <=> $b } keys %$over) {
                my $text = join '', @{ $s->article($number) };
                return ($text, $over->{$number}) if index($text, $words) >= 0;
            }
        }
        sleep 0.1;
    }
    die "nothing came to $group\n";
}

sub field {
    my ($text, $name) = @_;
    my ($head) = split /\r?\n\r?\n/, $text;
    return $head =~ /^\Q$name\E: (.*?)\r?$/m ? $1 : '';
}

sub groups {
    my $s    = connected();
    my $list = $s->list or die 'list: ', $s->message;
    for my $group (qw(restante.cards restante.reply restante.inbox restante.sent restante.pool misc.test)) {
        must($list->{$group}, "$group is in the list");
    }
    must($list->{'restante.pool'}[2] eq 'n', 'nobody posts to the pool');
    must(!defined $s->group('restante.inbox') && $s->code == 480, 'the inbox wants a login');
    must($s->newsgroups('restante.*')->{'restante.inbox'}, 'the inbox is described');
    $s->quit;
}

sub alice_posts {
    my $s  = connected('alice', $alice);
    my $id = posted($s, 'From: Alice Liddell <alice@home.example>', 'Newsgroups: restante.cards', "Subject: $subject",
        'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit',
        'X-Newsreader: TellTale', '', $card);
    $s->quit;
    return $id;
}

sub bob_replies {
    my ($token) = @_;
    my $s = connected('bob', $bob);
    my ($text, $over) = awaited($s, 'restante.cards', $card);
    must(field($text, 'Subject') eq $subject,                              'the subject is as it was sent');
    must($over->[0] eq $subject,                                           'the overview has it too');
    must(field($text, 'From') eq 'Anonymous <nobody@gw.example>',          'the card has no name');
    must(field($text, 'Message-ID') eq $token && $over->[3] eq $token,     'the token is the Message-ID');
    must(field($text, 'Followup-To') eq 'restante.reply',                  'followups go to restante.reply');
    must($text !~ /Liddell|home\.example|TellTale/,                        'no trace is left');
    must($s->nntpstat($token),                                             'the card is found by its Message-ID');
    posted($s, 'From: Bob Marley <bob@work.example>', 'Newsgroups: restante.reply', "Subject: Re: $subject",
        "References: $token", '', $reply);
    $s->quit;
}

sub alice_answers {
    my $s = connected('alice', $alice);
    my ($mail) = awaited($s, 'restante.inbox', $reply);
    must(field($mail, 'From') eq 'Anonymous <nobody@gw.example>', 'the reply has no name');
    must(field($mail, 'Subject') eq "Re: $subject",               'the subject of the reply is as it was sent');
    must($mail !~ /Marley|work\.example/,                         'no trace of Bob is left');
    my ($receipt) = awaited($s, 'restante.sent', $card);
    must(field($receipt, 'Restante-Destination') eq 'restante.cards', 'the receipt says where the card went');
    posted($s, 'From: alice@home.example', 'Newsgroups: restante.reply', "Subject: Re: $subject",
        'References: ' . field($mail, 'References') . ' ' . field($mail, 'Message-ID'), '', $back);
    $s->quit;
}

sub bob_reads {
    my $s = connected('bob', $bob);
    my ($mail) = awaited($s, 'restante.inbox', $back);
    must(field($mail, 'From') eq 'Anonymous <nobody@gw.example>', 'the answer has no name');
    $s->quit;
}

sub refusal {
    my $s  = connected();
    my $id = posted($s, 'From: a@b.example', 'Newsgroups: misc.test', 'Subject: no login', '', 'Hello.');
    must(!$s->post("From: a\@b.example\n", "Newsgroups: restante.reply\n", "Subject: Re: no login\n",
        "References: $id\n", "\n", "Hello back.\n"), 'nobody can be reached through that article');
    must($s->code == 441 && $s->message =~ /posted without a login/, 'the refusal says why');
    $s->quit;
}

groups();
bob_replies(alice_posts());
alice_answers();
bob_reads();
refusal();
