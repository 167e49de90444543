<?php
// Tests of the module's pure parts: php internal/extension/testdata/pure.php
declare(strict_types=1);

use Espo\Modules\Advosync\Core\BadCall;
use Espo\Modules\Advosync\Core\Call;
use Espo\Modules\Advosync\Core\Changes;
use Espo\Modules\Advosync\Core\Expectation;
use Espo\Modules\Advosync\Core\Place;
use Espo\Modules\Advosync\Core\Versions;

foreach (['BadCall', 'Changes', 'Versions', 'Expectation', 'Place', 'Call'] as $class) {
    require __DIR__ . "/../module/Core/$class.php";
}

$passed = $failed = 0;

function check(string $what, mixed $got, mixed $want): void
{
    global $passed, $failed;

    if ($got === $want) {
        $passed++;

        return;
    }

    $failed++;
    fwrite(STDERR, "FAIL $what: got " . json_encode($got) . ', want ' . json_encode($want) . "\n");
}

/** A body as EspoCRM parses it. */
function body(string $json): mixed
{
    return json_decode($json);
}

function refused(callable $f): string
{
    try {
        $f();
    } catch (BadCall $e) {
        return $e->getMessage();
    }

    return '';
}

// What a save changed.
$sync = ['syncStatus', 'advowareId'];
check('sync only', Changes::ofRecord(['syncStatus', 'modifiedAt', 'modifiedById', 'versionNumber'], $sync), []);
check('a field beside', Changes::ofRecord(['syncStatus', 'phone', 'modifiedAt'], $sync), ['phone']);
check('one field', Changes::touch(['email', 'name'], ['phone', 'name']), true);
check('other fields', Changes::touch(['email'], ['phone']), false);
check('an address and its list are one field', Changes::touch(['emailAddress'], ['emailAddressData']), true);
check('a mark of it, too', Changes::touch(['phoneNumberIsOptedOut'], ['phoneNumber']), true);
check('a field that is only called Data', Changes::touch(['Data'], ['']), false);

// Who may save with an older version.
$own = fn (int $version, string ...$attributes) => ['versionNumber' => $version, 'own' => true, 'attributes' => $attributes];
$person = fn (int $version) => ['versionNumber' => $version, 'own' => false, 'attributes' => []];
check('the sync wrote another field', Versions::onlyTheSyncHasMoved(3, 4, [$own(4, 'email')], ['phone']), true);
check('the sync wrote the field', Versions::onlyTheSyncHasMoved(3, 4, [$own(4, 'email')], ['phone', 'email']), false);
check('a person wrote', Versions::onlyTheSyncHasMoved(3, 4, [$person(4)], ['phone']), false);
check('the sync, then a person', Versions::onlyTheSyncHasMoved(3, 5, [$own(4, 'email'), $person(5)], ['phone']), false);
check('the sync twice', Versions::onlyTheSyncHasMoved(3, 5, [$own(5), $own(4, 'email')], ['phone']), true);
check('a version that nobody noted', Versions::onlyTheSyncHasMoved(3, 5, [$own(5, 'email')], ['phone']), false);
check('one version noted twice', Versions::onlyTheSyncHasMoved(3, 5, [$own(5), $own(5)], ['phone']), false);
check('older rows say nothing', Versions::onlyTheSyncHasMoved(3, 4, [$person(2), $person(3), $own(4)], ['phone']), true);
check('a newer one neither', Versions::onlyTheSyncHasMoved(3, 4, [$own(4), $person(5)], ['phone']), true);
check('nothing moved', Versions::onlyTheSyncHasMoved(4, 4, [], ['phone']), false);
check('a version of the future', Versions::onlyTheSyncHasMoved(9, 4, [], ['phone']), false);

// What a writer expects.
$record = ['phone' => '1', 'advowareId' => 5, 'geburtsdatum' => null, 'teamsIds' => ['a'], 'x' => '5'];
$value = fn (string $name) => $record[$name] ?? null;
$broken = fn (string $json, ?int $version = 3) => Expectation::of(body($json))->broken($version, $value);
check('nothing expected', Expectation::of(null)->broken(3, $value), []);
check('the version', $broken('{"versionNumber": 3}'), []);
check('another version', $broken('{"versionNumber": 2}'), ['versionNumber']);
check('a type without versions', $broken('{"versionNumber": 2}', null), ['versionNumber']);
check('values', $broken('{"values": {"phone": "1", "advowareId": 5, "geburtsdatum": null, "teamsIds": ["a"]}}'), []);
check('a number as the database writes it', $broken('{"values": {"x": 5}}'), []);
check('another value', $broken('{"values": {"phone": "2"}}'), ['phone']);
check('null is not empty', $broken('{"values": {"geburtsdatum": ""}}'), ['geburtsdatum']);
check('a number is not its text', $broken('{"values": {"advowareId": "5"}}'), ['advowareId']);
check('both', $broken('{"versionNumber": 9, "values": {"phone": "2"}}'), ['versionNumber', 'phone']);
check('a misspelt condition is none that holds', refused(fn () => Expectation::of(body('{"version": 3}'))), "'expect' knows versionNumber and values.");
check('a version as text', refused(fn () => Expectation::of(body('{"versionNumber": "3"}'))), "'versionNumber' must be a number.");
check('a list of values', refused(fn () => Expectation::of(body('{"values": [1]}'))), "'values' must be an object.");
check('no object', refused(fn () => Expectation::of('x')), "'expect' must be an object.");

// The calls.
check('type', Call::type(body('{"type": "CBeteiligte"}')), 'CBeteiligte');
check('no type', refused(fn () => Call::type(body('{}'))), "'type' is missing.");
check('ids once', Call::read(body('{"type": "C", "ids": ["a1", "a1", "b-2"]}')), ['ids' => ['a1', 'b-2'], 'attributes' => null]);
check('no ids', refused(fn () => Call::read(body('{"type": "C", "ids": []}'))), "'ids' must be a list of 1 to 200.");
check('too many', refused(fn () => Call::write(body('{"type": "C", "items": [' . implode(',', array_fill(0, 201, '1')) . ']}'))), "'items' must be a list of 1 to 200.");
check('no id', refused(fn () => Call::read(body('{"type": "C", "ids": ["../x"]}'))), 'An id is missing or is none.');
check('attributes', refused(fn () => Call::read(body('{"type": "C", "ids": ["a"], "attributes": [1]}'))), "'attributes' must be a list of names.");
check('an unknown key', refused(fn () => Call::write(body('{"type": "C", "items": [1], "all": true}'))), 'The body has an unknown key.');
check('an item', Call::item(body('{"id": "a", "set": {"phone": null}, "expect": {"versionNumber": 1}}'))['expect']->version, 1);
check('an item that sets nothing', refused(fn () => Call::item(body('{"id": "a", "set": {}}'))), "'set' must be an object with values.");
check('an item with a misspelt condition', refused(fn () => Call::item(body('{"id": "a", "set": {"a": 1}, "expected": {}}'))), 'An item has an unknown key.');
check('junk', refused(fn () => Call::item('x')), 'An item must be an object.');
check('a note', Call::noteItem(body('{"id": "a", "post": "x"}')), ['id' => 'a', 'post' => 'x']);
check('an empty note', refused(fn () => Call::noteItem(body('{"id": "a", "post": ""}'))), "'post' must be a text.");
check('a note for several', refused(fn () => Call::noteItem(body('{"id": "a", "post": "x", "users": []}'))), 'An item has an unknown key.');
$changes = fn (string $json) => Call::changes(body($json));
$place = $changes('{"after": 7, "mark": "a1:b-2"}')['place'];
check('changes', [$place->number, $place->install, $place->row, $place->mark()], [7, 'a1', 'b-2', 'a1:b-2']);
check('a limit that is not said', $changes('{}')['limit'], 500);
check('where the log stands', $changes('{}')['place'], null);
check('the place of an empty log', $changes('{"after": 0, "mark": "a1:"}')['place']->row, '');
check('a number alone says nothing of its row', refused(fn () => $changes('{"after": 7}')), "'mark' must be what was answered along with the number.");
check('a mark alone', refused(fn () => $changes('{"mark": "a:b"}')), "'after' must be a number.");
check('a mark that is none', refused(fn () => $changes('{"after": 7, "mark": "a"}')), "'mark' must be what was answered along with the number.");
check('a limit', refused(fn () => $changes('{"after": 0, "mark": ":", "limit": 0}')), "'limit' must be a number from 1 to 2000.");
check('a number', refused(fn () => $changes('{"after": -1, "mark": ":"}')), "'after' must be a number.");

// How far a place in the log may go.
$rows = fn (array ...$rows) => array_map(fn (array $row) => ['number' => $row[0], 'createdAt' => $row[1]], $rows);
check('no hole', Place::settled(4, $rows([5, '09'], [6, '10']), '10'), 2);
check('no rows', Place::settled(4, [], '10'), 0);
check('a number is missing behind a young row', Place::settled(4, $rows([5, '10'], [7, '10'], [8, '11']), '10'), 1);
check('at once', Place::settled(4, $rows([6, '10']), '10'), 0);
check('for long: it will not come', Place::settled(4, $rows([6, '09'], [8, '09']), '10'), 2);
check('the first hole that may be filled counts', Place::settled(4, $rows([6, '09'], [8, '11'], [10, '09']), '10'), 1);

echo "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
