#!/usr/bin/perl
# SOAP::Lite as a SOAP 1.1 client. Usage: lite_client.pl 11 KEY|- {SERVICE WSDL ENDPOINT|-}…
# What is encoded is called by the WSDL; what is literal by hand, as SOAP::Lite's users do.
# Prints one JSON line a call: {"call": …, "answer": …} or {"call": …, "error": …}. Exit code 1: a call failed.

use strict;
use warnings;
use utf8;
use File::Temp;
use JSON::PP;
use LWP::UserAgent;
use MIME::Base64;
use SOAP::Lite;

my $json = JSON::PP->new->canonical->utf8;
my ($failed, $endpoint, $key, $version) = (0);
($version, $key) = splice @ARGV, 0, 2;
$| = 1;
delete $ENV{$_} for qw(http_proxy https_proxy HTTP_PROXY HTTPS_PROXY);

# Stubs made of a WSDL have a transport of their own for each call: the key goes in below them.
my $request = \&LWP::UserAgent::request;
no warnings 'redefine';
*LWP::UserAgent::request = sub {
    $_[1]->header('X-API-Key' => $key) if $key ne '-';
    goto &$request;
};

# Every number is text to us; Perl itself does not mind.
sub plain {
    my ($value) = @_;
    return [map { plain($_) } @$value] if UNIVERSAL::isa($value, 'ARRAY');
    return { map { $_ => plain($value->{$_}) } keys %$value } if UNIVERSAL::isa($value, 'HASH');
    return defined $value ? "$value" : undef;
}

sub call {
    my ($name, $work) = @_;
    my $said = eval { { call => $name, answer => plain($work->()) } };
    if (!$said) {
        (my $why = "$@") =~ s/\s+at \S+ line.*//s;
        $said = { call => $name, error => $why };
        $failed = 1;
    }
    print $json->encode($said), "\n";
}

# A caller by hand: action, namespace and parts are the author's work.
sub by_hand {
    my ($namespace) = @_;
    my $soap = SOAP::Lite->proxy($endpoint, timeout => 20)->default_ns($namespace);
    $soap->on_action(sub { "\"$namespace#$_[1]\"" });
    $soap->on_fault(sub { ref $_[1] ? $_[1] : die $_[0]->transport->status . "\n" });
    $soap->autotype(0);
    return $soap;
}

# Without a type SOAP::Lite escapes nothing.
sub element {
    my ($name, $value) = @_;
    return SOAP::Data->name($name)->value(SOAP::Utils::encode_data($value))->type('');
}

sub nothing_wrong {
    my ($answer) = @_;
    die $answer->faultcode . ' ' . $answer->faultstring . "\n" if $answer->fault;
    return $answer;
}

sub order {
    my ($answer) = @_;
    my $found = { %{ $answer->valueof('//order') } };
    my $attributes = $answer->dataof('//order')->attr;
    $found->{"\@$_"} = $attributes->{$_} for grep { /^\{?\}?(priority|reference)$/ } keys %$attributes;
    my @items = $answer->valueof('//order/item');
    my @lines = map { $_->attr->{line} } $answer->dataof('//order/item');
    $found->{item} = [map { { %{ $items[$_] }, '@line' => $lines[$_] } } 0 .. $#items] if @items;
    delete $found->{item} unless @items;
    my @tags = $answer->valueof('//order/tag');
    $found->{tag} = \@tags if @tags;
    my $kind = ref $found->{parcel};
    $found->{parcel} = { %{ $found->{parcel} }, $kind eq 'HASH' ? () : ('$type' => $kind) };
    return $found;
}

sub orders {
    my $namespace = 'urn:pasarela:peers:orders';
    my $soap = by_hand($namespace);
    $soap->serializer->register_ns("$namespace:types", 'o');
    my $get = sub {
        my $session = SOAP::Header->name('Session')->attr({ xmlns => $namespace })->value(\element(token => 'T-1'));
        return $soap->call('GetOrder', element(id => $_[0]), $session);
    };
    call 'orders.rich', sub {
        my $answer = nothing_wrong($get->('9007199254740993'));
        return { %{ order($answer) }, '$headers' => { Receipt => { token => $answer->valueof('/Envelope/Header/Receipt/token') } } };
    };
    call 'orders.sparse', sub { order(nothing_wrong($get->(7))) };
    call 'orders.midnight', sub { order(nothing_wrong($get->(24))) };
    call 'orders.fault', sub {
        my $answer = $get->(404);
        die "no fault came\n" unless $answer->fault;
        (my $code = $answer->faultcode) =~ s/.*://;
        return { fault => $code, detail => $answer->faultdetail };
    };
    call 'orders.place', sub {
        my @items = map {
            SOAP::Data->name('o:item')->attr({ line => $_->[0] })->value(
                \SOAP::Data->value(element('o:sku' => $_->[1]), element('o:quantity' => $_->[0]), element('o:price' => $_->[2]))
            )
        } [1, 'A-1', '10.10'], [2, 'B-2', '0.10'];
        my @fields = (
            element('o:id' => '9007199254740993'), element('o:customer' => 'Ñandú & <Söhne>'),
            element('o:placed' => '2026-02-28T23:30:00+01:00'), element('o:due' => '2026-03-01'),
            element('o:total' => '10.10'), SOAP::Data->name('o:discount')->value(undef)->type(''),
            element('o:status' => 'in-transit'), element('o:note' => ' two  spaces '), @items,
            element('o:tag' => 'one'), element('o:tag' => 'two'),
            SOAP::Data->name('o:payment')->value(\element('o:card' => '4111')),
            SOAP::Data->name('o:parcel')->attr({ 'xsi:type' => 'o:ExpressParcel' })
                ->value(\SOAP::Data->value(element('o:weight' => '1.50'), element('o:courier' => 'Correos'))),
            element('o:document' => encode_base64("\0\1\2\3\xff", '')),
        );
        my $order = SOAP::Data->name('order')->attr({ priority => 'high', reference => 'R-7' });
        return order(nothing_wrong($soap->call('PlaceOrder', $order->value(\SOAP::Data->value(@fields)))));
    };
    for my $limit (0, 1, 3) {
        call "orders.find$limit", sub {
            my $answer = nothing_wrong($soap->call('FindOrders', element(limit => $limit)));
            return [$answer->valueof('//orders/Summary')];
        };
    }
    call 'orders.notify', sub {
        my $answer = $soap->call('Notify', element(id => 7), element(status => 'paid'));
        nothing_wrong($answer) if ref $answer && $answer->can('fault');
        return undef;
    };
}

sub rpc {
    my $soap = by_hand('urn:pasarela:peers:rpc')->uri('urn:pasarela:peers:rpc');
    $soap->ns('urn:pasarela:peers:rpc', 'tns');
    call 'rpc.quote', sub {
        my $answer = nothing_wrong($soap->call('Quote', element(sku => 'A-1'), element(quantity => 3)));
        return { price => $answer->valueof('//price'), stock => $answer->valueof('//stock') };
    };
}

# As the WSDL says it: SOAP::Lite makes methods of it.
sub encoded {
    my ($wsdl) = @_;
    my $stub = SOAP::Lite->service($wsdl);
    $stub->on_fault(sub { die(ref $_[1] ? $_[1]->faultcode . ' ' . $_[1]->faultstring : $_[0]->transport->status, "\n") });
    call 'encoded.add', sub { $stub->Add(2, 3) };
    call 'encoded.reserve', sub {
        my $line = SOAP::Data->value(
            SOAP::Data->name(sku => 'A-1')->type('string'), SOAP::Data->name(quantity => 2)->type('int'),
            SOAP::Data->name(price => '10.10')->type('decimal'),
        );
        # By hand: a stub sends no structures, it makes nil of them.
        my $soap = by_hand('urn:pasarela:peers:encoded')->ns('urn:pasarela:peers:encoded', 'tns')->autotype(1);
        return nothing_wrong($soap->call('Reserve', SOAP::Data->name(line => \$line)->type('tns:Line')))->result;
    };
    for my $count (0, 1, 2) {
        call "encoded.list$count", sub { my $lines = $stub->List($count); return ref $lines ? $lines : [] };
    }
}

# A stub calls where its WSDL says: another address goes into a copy.
sub moved {
    my ($wsdl) = @_;
    open my $in, '<', $wsdl or die "$wsdl: $!\n";
    (my $text = join '', <$in>) =~ s/location="[^"]*"/location="$endpoint"/g;
    our @files;
    push @files, my $file = File::Temp->new(SUFFIX => '.wsdl');
    print $file $text;
    $file->flush;
    return 'file:' . $file->filename;
}

while (my ($service, $wsdl, $address) = splice @ARGV, 0, 3) {
    $endpoint = $address;
    if ($address eq '-') {
        my $services = SOAP::Schema->new(schema_url => $wsdl)->parse->services;
        ($endpoint) = map { $_->{endpoint}->value } map { values %$_ } values %$services;
    } else {
        $wsdl = moved($wsdl);
    }
    main->can($service)->($wsdl);
}
exit $failed;
