<?php
// PHP's ext-soap calls the shop, a REST service behind its SOAP face. Usage: php php_shop.php WSDL [12]
// Prints one JSON line a call: what it understood of the answer, as texts.

$version = ($argv[2] ?? '') === '12' ? SOAP_1_2 : SOAP_1_1;
$client = new SoapClient($argv[1], [
    'cache_wsdl' => WSDL_CACHE_NONE, 'soap_version' => $version,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS, 'exceptions' => true,
]);
const NS = 'urn:pasarela:rest:shop-of-everything:v2';

function tell(string $name, callable $act): void
{
    try {
        $line = ['call' => $name, 'answer' => $act()];
    } catch (Throwable $error) {
        $line = ['call' => $name, 'error' => get_class($error) . ': ' . $error->getMessage()];
    }
    echo json_encode($line, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}

tell('scalars', function () use ($client) {
    $found = $client->echo(['body' => [
        'text' => 'ñ <&> "x"', 'flag' => true, 'small' => -5, 'large' => 9007199254740993, 'exact' => '10.10', 'double' => 2.5,
        'day' => '2026-02-28', 'moment' => '2026-02-28T23:30:00Z', 'bytes' => "\0\1\xff",
    ]])->body;
    return [$found->text, $found->flag, (string) $found->small, (string) $found->large, (string) $found->exact,
        (string) $found->double, $found->day, $found->moment, bin2hex($found->bytes)];
});
tell('objects', function () use ($client) {
    $found = $client->putOrder(['id' => 7, 'body' => [
        'id' => 7, 'total' => '3.50', 'lines' => [['sku' => 'A', 'count' => 1], ['sku' => 'B', 'count' => 2]],
        'customer' => ['name' => 'Ana', 'address' => ['city' => 'Soria']],
    ]])->body;
    return [(string) count($found->lines), $found->lines[1]->sku, (string) $found->lines[1]->count, $found->customer->address->city];
});
tell('arrays', function () use ($client) {
    $grid = $client->echo(['body' => ['grid' => [['item' => ['1', '2.5']], ['item' => ['3']]]]])->body->grid;
    return array_map(fn ($row) => (string) count($row->item), $grid);
});
tell('lists', function () use ($client) {
    $found = $client->listOrders(['limit' => 1])->body;
    return [(string) count($found), (string) $found[0]->total];
});
tell('polymorphism', function () use ($client) {
    $dog = new SoapVar(['name' => 'Rex', 'packSize' => 3], SOAP_ENC_OBJECT, 'Dog', NS);
    $found = $client->addPet(['body' => $dog])->body;
    return ['Dog', $found->name, (string) $found->packSize];
});
tell('nulls', function () use ($client) {
    $found = $client->echo(['body' => ['small' => 1, 'maybe' => null]])->body;
    return [property_exists($found, 'maybe') && $found->maybe === null ? 'None' : 'something'];
});
tell('choice', fn () => [$client->echo(['body' => ['either' => ['Address' => ['city' => 'Soria']]]])->body->either->Address->city]);
tell('maps', function () use ($client) {
    $map = ['entry' => [['key' => 'a b', 'value' => 1], ['key' => 'ñ', 'value' => 2]]];
    $found = $client->echo(['body' => ['map' => $map]])->body->map->entry;
    return array_map(fn ($entry) => $entry->key . '=' . $entry->value, $found);
});
tell('free', fn () => [$client->echo(['body' => ['anything' => '{"a":[1,null]}']])->body->anything]);
tell('parameters', function () use ($client) {
    $found = $client->getOrder(['id' => 7, 'expand' => ['a&b', 'c'], 'X-Tenant' => 'acme']);
    return [(string) $found->{'X-Version'}, (string) $found->body->total];
});
tell('files', fn () => [
    bin2hex($client->getFile(['name' => 'a b.bin'])->body), $client->putFile(['name' => 'x', 'body' => "\0\xff\n"])->body,
]);
$thrown = function (callable $act) {
    try {
        $act();
    } catch (SoapFault $fault) {
        $detail = (array) $fault->detail;
        $first = array_key_first($detail);
        $entry = $detail[$first];
        $entry = $entry instanceof SoapVar ? $entry->enc_value : $entry;
        return [$first, (string) current((array) $entry)];
    }
};
tell('fault', fn () => $thrown(fn () => $client->getOrder(['id' => 404])));
tell('undescribed', fn () => $thrown(fn () => $client->deleteOrder(['id' => 500])));
