<?php
// PHP ext-soap as a SOAP client. Usage: php_client.php 11|12 KEY|- {SERVICE WSDL ENDPOINT|-}…
// Prints one JSON line a call: {"call": …, "answer": …} or {"call": …, "error": …}. Exit code 1: a call failed.

const ORDERS = 'urn:pasarela:peers:orders';
const TYPES = 'urn:pasarela:peers:orders:types';
const ATTRIBUTES = ['priority', 'reference', 'line', 'currency'];

class ExpressParcel
{
    public $weight;
    public $courier;
}

/// What PHP understood, as the lexical form of each value; what is absent is left out.
function plain($value)
{
    if ($value === null) {
        return null;
    }
    if (is_bool($value)) {
        return $value ? 'true' : 'false';
    }
    if (is_array($value) && array_is_list($value)) {
        return array_map('plain', $value);
    }
    if (is_object($value) || is_array($value)) {
        $found = $value instanceof ExpressParcel ? ['$type' => 'ExpressParcel'] : [];
        foreach ((array) $value as $name => $item) {
            if ($name === '_') {
                $name = '$value';
            } elseif (in_array($name, ATTRIBUTES, true)) {
                $name = "@$name";
            }
            if ($name === 'document') {
                $item = base64_encode($item);
            }
            if ($item !== []) {
                $found[$name] = plain($item);
            }
        }
        return $found;
    }
    return (string) $value;
}

$failed = false;

function call(string $name, callable $work): void
{
    global $failed;
    try {
        $said = ['call' => $name, 'answer' => $work()];
    } catch (Throwable $problem) {
        $said = ['call' => $name, 'error' => get_class($problem) . ': ' . $problem->getMessage()];
        $failed = true;
    }
    echo json_encode($said, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}

function orders(SoapClient $client): void
{
    $get = function (string $id, ?array &$headers = null) use ($client) {
        $session = new SoapHeader(ORDERS, 'Session', ['token' => 'T-1']);
        return $client->__soapCall('GetOrder', [['id' => $id]], null, $session, $headers)->order;
    };
    call('orders.rich', function () use ($get) {
        $answer = plain($get('9007199254740993', $headers));
        return $answer + ['$headers' => plain($headers)];
    });
    call('orders.sparse', fn() => plain($get('7')));
    call('orders.midnight', fn() => plain($get('24')));
    call('orders.fault', function () use ($get) {
        try {
            $get('404');
        } catch (SoapFault $fault) {
            $code = preg_replace('/^.*:/', '', $fault->faultcode);
            return ['fault' => $code === 'Sender' ? 'Client' : $code, 'detail' => plain($fault->detail)];
        }
        throw new Exception('no fault came');
    });
    call('orders.place', function () use ($client) {
        $order = [
            'id' => '9007199254740993', 'customer' => 'Ñandú & <Söhne>', 'placed' => '2026-02-28T23:30:00+01:00',
            'due' => '2026-03-01', 'total' => '10.10', 'discount' => null, 'status' => 'in-transit',
            'note' => ' two  spaces ',
            'item' => [
                ['sku' => 'A-1', 'quantity' => 1, 'price' => '10.10', 'line' => 1],
                ['sku' => 'B-2', 'quantity' => 2, 'price' => '0.10', 'line' => 2],
            ],
            'tag' => ['one', 'two'], 'payment' => ['card' => '4111'],
            'parcel' => new SoapVar(['weight' => '1.50', 'courier' => 'Correos'], SOAP_ENC_OBJECT, 'ExpressParcel', TYPES),
            'document' => "\0\1\2\3\xff", 'priority' => 'high', 'reference' => 'R-7',
        ];
        return plain($client->PlaceOrder(['order' => $order])->order);
    });
    foreach ([0, 1, 3] as $limit) {
        call("orders.find$limit", fn() => plain($client->FindOrders(['limit' => $limit])->orders->Summary ?? []));
    }
    call('orders.notify', fn() => plain($client->Notify(['id' => 7, 'status' => 'paid'])));
}

function bare(SoapClient $client): void
{
    call('bare.convert', fn() => plain($client->Convert(['_' => '10.10', 'currency' => 'EUR'])));
    foreach ([[], [9007199254740993], [PHP_INT_MAX, PHP_INT_MAX]] as $values) {
        call('bare.add' . count($values), fn() => plain($client->AddUp(['value' => $values])));
    }
}

function rpc(SoapClient $client): void
{
    call('rpc.quote', fn() => plain($client->Quote('A-1', 3)));
}

function encoded(SoapClient $client): void
{
    call('encoded.add', fn() => plain($client->Add(2, 3)));
    call('encoded.reserve', fn() => plain($client->Reserve(['sku' => 'A-1', 'quantity' => 2, 'price' => '10.10'])));
    foreach ([0, 1, 2] as $count) {
        call("encoded.list$count", fn() => plain($client->List($count)));
    }
}

ini_set('soap.wsdl_cache_enabled', '0');
[, $version, $key] = $argv;
foreach (array_chunk(array_slice($argv, 3), 3) as [$service, $wsdl, $endpoint]) {
    $options = [
        'soap_version' => $version === '12' ? SOAP_1_2 : SOAP_1_1,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'classmap' => ['ExpressParcel' => 'ExpressParcel'],
        'cache_wsdl' => WSDL_CACHE_NONE,
        'keep_alive' => true,
    ];
    if ($key !== '-') {
        $options['stream_context'] = stream_context_create(['http' => ['header' => "X-API-Key: $key"]]);
    }
    if ($endpoint !== '-') {
        $options['location'] = $endpoint;
    }
    $service(new SoapClient($wsdl, $options));
}
exit($failed ? 1 : 0);
