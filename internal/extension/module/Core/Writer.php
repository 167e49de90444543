<?php
/*
 * The Advosync module for EspoCRM: EspoCRM's side of the sync with Advoware.
 * Copyright (C) 2026 the advosync authors
 * SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * This program is free software: you can redistribute it and/or modify it under
 * the terms of the GNU Affero General Public License as published by the Free
 * Software Foundation, either version 3 of the License, or (at your option) any
 * later version. It is distributed in the hope that it will be useful, but WITHOUT
 * ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR
 * A PARTICULAR PURPOSE. See the GNU Affero General Public License for more details:
 * <https://www.gnu.org/licenses/>.
 */

namespace Espo\Modules\Advosync\Core;

use Espo\Core\Acl;
use Espo\Core\Exceptions\BadRequest;
use Espo\Core\Exceptions\Conflict;
use Espo\Core\Exceptions\Forbidden;
use Espo\Core\Exceptions\NotFound;
use Espo\Core\FieldValidation\Exceptions\ValidationError;
use Espo\Core\Record\ServiceContainer;
use Espo\Core\Record\UpdateParams;
use Espo\Core\Utils\Log as SystemLog;
use Espo\ORM\Entity;
use Espo\ORM\EntityManager;
use PDOException;
use stdClass;
use Throwable;

/**
 * Writes one record: in a transaction of its own, under the lock of its row, by the
 * very code that a PUT runs.
 */
class Writer
{
    private const UNIQUE_CLASH = 1062;
    private const DEADLOCK = [1213, 1205, 1020];

    public function __construct(
        private EntityManager $entityManager,
        private ServiceContainer $services,
        private Acl $acl,
        private RowLock $lock,
        private SystemLog $log,
    ) {}

    public function write(string $type, mixed $raw): stdClass
    {
        $id = $raw instanceof stdClass && is_string($raw->id ?? null) ? $raw->id : null;

        try {
            $item = Call::item($raw);
            $id = $item['id'];

            return $this->refused($type, $item) ??
                $this->entityManager
                    ->getTransactionManager()
                    ->run(fn () => $this->locked($type, $item));
        } catch (Throwable $e) {
            return $this->failed($type, $id, $e);
        }
    }

    /**
     * What EspoCRM would drop without a word, or tell to somebody who may not read it.
     *
     * @param array{id: string, set: stdClass, expect: Expectation} $item
     */
    private function refused(string $type, array $item): ?stdClass
    {
        $defs = $this->entityManager->getDefs()->getEntity($type);
        $written = array_keys(get_object_vars($item['set']));

        foreach ($written as $name) {
            if (!$defs->hasAttribute($name)) {
                return self::result($item['id'], 'invalid', ['field' => $name, 'type' => 'unknown']);
            }
        }

        $closed = array_intersect($written, [
            'id', 'deleted', 'createdAt', 'createdById', 'modifiedAt', 'modifiedById', 'versionNumber',
            ...$this->acl->getScopeForbiddenAttributeList($type, Acl\Table::ACTION_EDIT),
        ]);
        $hidden = array_intersect(
            array_keys($item['expect']->values),
            $this->acl->getScopeForbiddenAttributeList($type)
        );

        foreach ([...$closed, ...$hidden] as $name) {
            return self::result($item['id'], 'forbidden', ['field' => $name]);
        }

        return null;
    }

    /**
     * @param array{id: string, set: stdClass, expect: Expectation} $item
     */
    private function locked(string $type, array $item): stdClass
    {
        $id = $item['id'];

        if (!$this->lock->take($type, $id)) {
            return self::result($id, 'missing');
        }

        $entity = $this->entityManager->getEntityById($type, $id);

        if (!$entity) {
            return self::result($id, 'missing');
        }

        if (!$this->acl->checkEntityEdit($entity) || !$this->acl->checkEntityRead($entity)) {
            return self::result($id, 'forbidden', ['reason' => 'No edit access.']);
        }

        $broken = $item['expect']->broken(self::version($entity), fn (string $name) => $entity->get($name));

        if ($broken) {
            return self::result($id, 'conflict', ['broken' => $broken, 'record' => $this->output($type, $entity)]);
        }

        $service = $this->services->get($type);
        $saved = Writing::during(
            array_keys(get_object_vars($item['set'])),
            fn () => $service->update($id, clone $item['set'], UpdateParams::create())
        );

        if (!$saved instanceof Entity) { // since 10.0 it is a result that holds the record
            $saved = $saved->getEntity();
        }

        return self::result($id, 'ok', ['record' => $saved->getValueMap()]);
    }

    private function output(string $type, Entity $entity): stdClass
    {
        $service = $this->services->get($type);
        $service->loadAdditionalFields($entity);
        $service->prepareEntityForOutput($entity);

        return $entity->getValueMap();
    }

    private function failed(string $type, ?string $id, Throwable $e): stdClass
    {
        if ($e instanceof BadCall) {
            return self::result($id, 'invalid', ['reason' => $e->getMessage()]);
        }

        if ($e instanceof ValidationError) {
            return self::result($id, 'invalid', [
                'field' => $e->getFailure()->getField(),
                'type' => $e->getFailure()->getType(),
            ]);
        }

        foreach ([
            'invalid' => BadRequest::class,
            'forbidden' => Forbidden::class,
            'missing' => NotFound::class,
            'conflict' => Conflict::class,
        ] as $result => $class) {
            if ($e instanceof $class) {
                return self::result($id, $result, ['reason' => $e->getMessage()]);
            }
        }

        if ($e->getPrevious() instanceof Conflict) { // a locked record, since 10.0
            return self::result($id, 'conflict', ['reason' => $e->getPrevious()->getMessage()]);
        }

        $code = $e instanceof PDOException ? ($e->errorInfo[1] ?? null) : null;

        if ($code === self::UNIQUE_CLASH) {
            return self::result($id, 'clash');
        }

        // Where the server has ended the transaction, rolling it back fails in its turn.
        if (in_array($code, self::DEADLOCK, true) || str_contains($e->getMessage(), 'not started transaction')) {
            return self::result($id, 'retry');
        }

        $this->log->error("Advosync: write of $type $id failed: " . get_class($e) . ': ' . $e->getMessage());

        return self::result($id, 'error', ['reason' => 'Internal error; the reason stands in data/logs.']);
    }

    private static function version(Entity $entity): ?int
    {
        $version = $entity->hasAttribute('versionNumber') ? $entity->get('versionNumber') : null;

        return $version === null ? null : (int) $version;
    }

    /**
     * @param array<string, mixed> $more
     */
    private static function result(?string $id, string $result, array $more = []): stdClass
    {
        return (object) (['id' => $id, 'result' => $result] + $more);
    }
}
