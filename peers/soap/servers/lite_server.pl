#!/usr/bin/perl
# SOAP::Lite as a SOAP 1.1 service: rpc and encoded, at every path. Usage: lite_server.pl PORT
# Prints `listening PORT`.

use strict;
use warnings;
use SOAP::Lite;
use SOAP::Transport::HTTP;

# A process a connection: SOAP::Lite's own daemon would let one kept connection keep all others waiting.
package Forking;
our @ISA = ('SOAP::Transport::HTTP::Daemon');

sub handle {
    my $self = shift->new;
    $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $connection = $self->accept or next;
        if (my $pid = fork) {
            $connection->close;
            next;
        }
        while (my $request = $connection->get_request) {
            $self->request($request);
            $self->SOAP::Transport::HTTP::Server::handle;
            # HTTP::Daemon will close, but does not say so.
            my $last = ($request->header('Connection') // '') =~ /close/i;
            $self->response->header(Connection => 'close') if $last;
            $connection->send_response($self->response);
        }
        exit 0;
    }
}

package Stock;

sub line {
    my ($n, $quantity, $price, $name) = @_;
    return SOAP::Data->name($name)->type('tns:Line')->attr({ 'xmlns:tns' => 'urn:pasarela:peers:encoded' })->value(
        \SOAP::Data->value(
            SOAP::Data->name(sku => $n)->type('string'), SOAP::Data->name(quantity => $quantity)->type('int'),
            SOAP::Data->name(price => $price)->type('decimal'),
        )
    );
}

sub Add {
    my ($class, $a, $b) = @_;
    return SOAP::Data->name(sum => $a + $b)->type('int');
}

sub Reserve {
    my ($class, $line) = @_;
    return line($line->{sku}, $line->{quantity}, $line->{price}, 'line');
}

sub List {
    my ($class, $count) = @_;
    my @lines = map { line("A-$_", $_, '10.10', 'item') } 1 .. $count;
    my $type = "tns:Line[$count]";
    my $attributes = {
        'xmlns:tns' => 'urn:pasarela:peers:encoded', 'soapenc:arrayType' => $type,
        'xsi:type' => 'soapenc:Array',
    };
    return SOAP::Data->name('lines')->attr($attributes)->value(@lines ? \SOAP::Data->value(@lines) : '');
}

package Prices;

sub Quote {
    my ($class, $sku, $quantity) = @_;
    my $total = sprintf '%d.%02d', 1010 * $quantity / 100, 1010 * $quantity % 100;
    my $price = SOAP::Data->value(
        SOAP::Data->name(unit => '10.10')->type('decimal'), SOAP::Data->name(total => $total)->type('decimal'),
        SOAP::Data->name(bulk => 'false')->type('boolean'),
    );
    return (
        SOAP::Data->name(price => \$price)->type('tns:Price')->attr({ 'xmlns:tns' => 'urn:pasarela:peers:rpc' }),
        SOAP::Data->name(stock => '9007199254740993')->type('long'),
    );
}

package main;

$| = 1;
my $daemon = Forking->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], ReuseAddr => 1, Listen => 50);
$daemon->dispatch_with({ 'urn:pasarela:peers:encoded' => 'Stock', 'urn:pasarela:peers:rpc' => 'Prices' });
print "listening $ARGV[0]\n";
$daemon->handle;
