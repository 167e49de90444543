<?php
// php idle.php <module directory>: a mass update that an ordinary user has run in the background is saved by a job, in
// which the container's user, whom hooks get, is the system user (ApplicationUser::setupSystemUser).
namespace Espo\Core\Hook\Hook { interface BeforeSave {} }
namespace Espo\ORM\Repository\Option { class SaveOptions {} }
namespace Espo\Core\Utils { class Metadata { function get($p) {
    return ['userId' => 'api', 'types' => ['CBeteiligte' => []], 'syncFields' => ['syncStatus', 'advowareId']][$p[2]] ?? null; } } }
namespace Espo\Entities { class User { function __construct(private $id, private $type) {} function getId() { return $this->id; }
    function get($n) { return null; } function isSystem() { return $this->type === 'system'; }
    function isAdmin() { return $this->type === 'admin' || $this->isSystem(); } } } // as in 8.4 to 10.0
namespace Espo\ORM { class Entity { public $v = ['advowareId' => 4711]; private $f = ['advowareId' => 12];
    function getEntityType() { return 'CBeteiligte'; } function has($n) { return isset($this->v[$n]); } function isNew() { return false; }
    function isAttributeChanged($n) { return ($this->v[$n] ?? null) !== ($this->f[$n] ?? null); } function getFetched($n) { return $this->f[$n]; }
    function set($n, $x) { $this->v[$n] = $x; } } }
namespace {
    require "$argv[1]/Core/Settings.php"; require "$argv[1]/Hooks/Common/AdvosyncProtect.php";
    $bad = 0;
    foreach ([['u1', 'regular', 12], ['system', 'system', 12], ['a1', 'admin', 4711], ['api', 'api', 4711]] as [$id, $type, $want]) {
        $e = new Espo\ORM\Entity();
        $h = new Espo\Modules\Advosync\Hooks\Common\AdvosyncProtect(new Espo\Modules\Advosync\Core\Settings(new Espo\Core\Utils\Metadata()), new Espo\Entities\User($id, $type));
        $h->beforeSave($e, new Espo\ORM\Repository\Option\SaveOptions());
        if ($e->v['advowareId'] !== $want) { $bad++; echo "FAIL $type: advowareId {$e->v['advowareId']}, want $want\n"; }
    }
    exit($bad);
}
