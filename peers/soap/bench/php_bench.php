<?php
// PHP ext-soap with json_encode and json_decode. Usage: php_bench.php FOLDER SIZE MILLISECONDS
// A client whose wire is a string: a small call is answered by the large message, and the other way round.

class Wire extends SoapClient
{
    public string $answer = '';
    public string $sent = '';

    public function __doRequest($request, $location, $action, $version, $one_way = false): ?string
    {
        $this->sent = $request;
        return $this->answer;
    }
}

function cpu(): float
{
    $used = getrusage();
    return ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) * 1e6 + $used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec'];
}

function measure(callable $work, float $milliseconds): float
{
    $run = function (float $budget) use ($work) {
        [$times, $begin] = [0, cpu()];
        while (($spent = cpu() - $begin) < $budget * 1000) {
            for ($n = 0; $n < 5; $n++) {
                $work();
            }
            $times += 5;
        }
        return $spent / $times;
    };
    $run($milliseconds / 4);
    return $run($milliseconds);
}

[, $folder, $size, $milliseconds] = $argv;
$options = ['features' => SOAP_SINGLE_ELEMENT_ARRAYS, 'cache_wsdl' => WSDL_CACHE_NONE];
$client = new Wire("$folder/orders.wsdl", $options);
$envelope = file_get_contents("$folder/$size.response.xml");

$toJson = function () use ($client, $envelope) {
    $client->answer = $envelope;
    return json_encode($client->GetOrder(['id' => 7]));
};
$text = $toJson();
$toXml = function () use ($client, $text) {
    $client->answer = '';
    $client->PlaceOrder(json_decode($text));
    return $client->sent;
};
if (substr_count($toXml(), 'sku>') !== substr_count($envelope, 'sku>')) {
    fwrite(STDERR, "lost on the way\n");
    exit(1);
}
echo json_encode(['xml_to_json' => measure($toJson, $milliseconds), 'json_to_xml' => measure($toXml, $milliseconds)]), "\n";
