<?php
// PHP ext-soap as a SOAP service: orders (SOAP 1.1 and 1.2), bare, rpc, encoded.
// Usage: php -q php_server.php PORT (starts itself as the router of PHP's own web server)
// Prints `listening PORT`, then `notified ID STATUS` for each one-way message.

if (PHP_SAPI === 'cli') {
    $port = $argv[1];
    $command = [PHP_BINARY, '-d', 'soap.wsdl_cache_enabled=0', '-d', 'display_errors=0', '-S', "127.0.0.1:$port", __FILE__];
    echo "listening $port\n";
    flush();
    pcntl_exec($command[0], array_slice($command, 1));
}

const TYPES = 'urn:pasarela:peers:orders:types';

function express(string $weight, string $courier): SoapVar
{
    return new SoapVar(['weight' => $weight, 'courier' => $courier], SOAP_ENC_OBJECT, 'ExpressParcel', TYPES);
}

/// What a class map is for: without it PHP loses which derived type came.
class ExpressParcel
{
    public $weight;
    public $courier;
}

class Orders
{
    private SoapServer $server;
    private ?string $token = null;

    public function __construct(SoapServer $server)
    {
        $this->server = $server;
    }

    public function Session($session)
    {
        $this->token = $session->token;
    }

    public function GetOrder($request)
    {
        if ($this->token !== null) {
            $receipt = ['token' => $this->token];
            $this->server->addSoapHeader(new SoapHeader('urn:pasarela:peers:orders', 'Receipt', $receipt));
        }
        $id = (string) $request->id;
        if ($id === '7' || $id === '24') {
            $placed = $id === '7' ? '2026-11-23T10:00:00.5Z' : '2026-02-28T24:00:00';
            return ['order' => [
                'id' => $id, 'customer' => '', 'placed' => $placed, 'total' => '0.00', 'discount' => '-0.50',
                'status' => 'new', 'payment' => ['card' => '4111'], 'parcel' => ['weight' => '0.1'],
                'priority' => 'normal',
            ]];
        }
        if ($id !== '9007199254740993') {
            $detail = (object) ['OrderNotFound' => ['id' => $id, 'reason' => 'no such order']];
            throw new SoapFault('Client', 'no such order', null, $detail, 'OrderNotFound');
        }
        return ['order' => [
            'id' => $id, 'customer' => 'Ñandú & <Söhne>', 'placed' => '2026-02-28T23:30:00+01:00',
            'due' => '2026-03-01', 'total' => '10.10', 'discount' => null, 'status' => 'in-transit',
            'note' => ' two  spaces ', 'item' => [['sku' => 'A-1', 'quantity' => 1, 'price' => '10.10', 'line' => 1]],
            'tag' => ['one'], 'payment' => ['transfer' => 'ES91 2100'], 'parcel' => express('1.50', 'Correos'),
            'document' => "\0\1\2\3\xff", 'priority' => 'high', 'reference' => 'R-7',
        ]];
    }

    public function PlaceOrder($request)
    {
        $order = $request->order;
        if ($order->parcel instanceof ExpressParcel) {
            $order->parcel = express($order->parcel->weight, $order->parcel->courier);
        }
        return ['order' => $order];
    }

    public function FindOrders($request)
    {
        $orders = [];
        for ($n = 0; $n < $request->limit; $n++) {
            $tens = $n + 1;
            $orders[] = ['id' => 9007199254740993 + $n, 'total' => "{$tens}0.{$tens}0"];
        }
        return ['orders' => ['Summary' => $orders]];
    }

    public function Notify($request)
    {
        file_put_contents('php://stdout', "notified {$request->id} {$request->status}\n");
    }
}

class Bare
{
    public function Convert($amount)
    {
        return ['_' => $amount->_, 'currency' => 'USD'];
    }

    public function AddUp($numbers)
    {
        $values = array_map('strval', (array) ($numbers->value ?? []));
        return ['count' => count($values), 'sum' => array_reduce($values, 'add', '0')];
    }
}

/// The sum of two numbers of any length, in decimal.
function add(string $a, string $b): string
{
    $width = max(strlen($a), strlen($b));
    [$a, $b, $sum, $carry] = [str_pad($a, $width, '0', STR_PAD_LEFT), str_pad($b, $width, '0', STR_PAD_LEFT), '', 0];
    for ($at = $width - 1; $at >= 0; $at--) {
        $digit = (int) $a[$at] + (int) $b[$at] + $carry;
        [$sum, $carry] = [$digit % 10 . $sum, intdiv($digit, 10)];
    }
    return $carry ? $carry . $sum : $sum;
}

class Rpc
{
    public function Quote($sku, $quantity)
    {
        $total = sprintf('%d.%02d', intdiv(1010 * $quantity, 100), 1010 * $quantity % 100);
        return ['price' => ['unit' => '10.10', 'total' => $total, 'bulk' => false], 'stock' => 9007199254740993];
    }
}

class Encoded
{
    public function Add($a, $b)
    {
        return $a + $b;
    }

    public function Reserve($line)
    {
        return $line;
    }

    public function List($count)
    {
        $lines = [];
        for ($n = 1; $n <= $count; $n++) {
            $lines[] = ['sku' => "A-$n", 'quantity' => $n, 'price' => '10.10'];
        }
        return $lines;
    }
}

$service = trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/');
if (!in_array($service, ['orders', 'bare', 'rpc', 'encoded'], true)) {
    http_response_code(404);
    exit;
}
$soap12 = str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/soap+xml');
$server = new SoapServer(__DIR__ . "/../wsdl/$service.wsdl", [
    'soap_version' => $soap12 ? SOAP_1_2 : SOAP_1_1,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    'classmap' => ['ExpressParcel' => 'ExpressParcel'],
]);
$class = ucfirst($service);
$server->setObject($service === 'orders' ? new Orders($server) : new $class());
$server->handle();
