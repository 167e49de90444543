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
use Espo\Core\Record\ServiceContainer;
use Espo\Core\Record\UpdateParams;
use Espo\Entities\User;
use Espo\ORM\Entity;
use Espo\ORM\EntityManager;
use stdClass;
use Throwable;

/**
 * Writes one record: in a transaction of its own, under the lock of its row, by the
 * very code that a PUT runs.
 */
class Writer
{
    public function __construct(
        private EntityManager $entityManager,
        private ServiceContainer $services,
        private Acl $acl,
        private RowLock $lock,
        private Settings $settings,
        private User $user,
        private Outcome $outcomes,
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
            return $this->outcomes->failed($type, $id, $e);
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
                return Outcome::of($item['id'], 'invalid', ['field' => $name, 'type' => 'unknown']);
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
            return Outcome::of($item['id'], 'forbidden', ['field' => $name]);
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
            return Outcome::of($id, 'missing');
        }

        $entity = $this->entityManager->getEntityById($type, $id);

        if (!$entity) {
            return Outcome::of($id, 'missing');
        }

        if (!$this->acl->checkEntityEdit($entity) || !$this->acl->checkEntityRead($entity)) {
            return Outcome::of($id, 'forbidden', ['reason' => 'No edit access.']);
        }

        $broken = $item['expect']->broken(self::version($entity), fn (string $name) => $entity->get($name));

        if ($broken) {
            return Outcome::of($id, 'conflict', ['broken' => $broken, 'record' => $this->output($type, $entity)]);
        }

        return Outcome::of($id, 'ok', ['record' => Writing::during(
            array_keys(get_object_vars($item['set'])),
            fn () => $this->isNote($item['set']) ?
                $this->saveNote($type, $entity, clone $item['set']) :
                $this->save($type, $id, clone $item['set'])
        )]);
    }

    private function save(string $type, string $id, stdClass $set): stdClass
    {
        $saved = $this->services->get($type)->update($id, $set, UpdateParams::create());

        if (!$saved instanceof Entity) { // since 10.0 it is a result that holds the record
            $saved = $saved->getEntity();
        }

        return $saved->getValueMap();
    }

    /**
     * Whether nothing is written but what the sync notes for itself.
     */
    private function isNote(stdClass $set): bool
    {
        return $this->settings->mayWriteSync($this->user) &&
            array_diff(array_keys(get_object_vars($set)), $this->settings->syncAttributes()) === [];
    }

    /**
     * A note of the sync passes validation, formulas and hooks as every save does. What
     * EspoCRM does besides for what people change (links, assignment, the history of
     * actions, another read of the record) costs as much again, and concerns none of
     * these fields.
     */
    private function saveNote(string $type, Entity $entity, stdClass $set): stdClass
    {
        $service = $this->services->get($type);
        $service->sanitizeInput($set);
        $entity->set($set);
        $service->processValidation($entity, $set);
        $this->entityManager->saveEntity($entity, ['api' => true]);

        return $this->output($type, $entity);
    }

    private function output(string $type, Entity $entity): stdClass
    {
        $service = $this->services->get($type);
        $service->loadAdditionalFields($entity);
        $service->prepareEntityForOutput($entity);

        return $entity->getValueMap();
    }

    private static function version(Entity $entity): ?int
    {
        $version = $entity->hasAttribute('versionNumber') ? $entity->get('versionNumber') : null;

        return $version === null ? null : (int) $version;
    }
}
