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

use Espo\Core\Utils\Database\ConfigDataProvider;
use Espo\Core\Utils\DateTime;
use Espo\Core\Utils\Id\RecordIdGenerator;
use Espo\Entities\Extension;
use Espo\ORM\EntityManager;
use Espo\ORM\Query\Select;
use Espo\ORM\Query\SelectBuilder;
use PDO;

/**
 * The log of changes: one row for each save that changed more than the sync's own fields.
 */
class Log
{
    public const ENTITY_TYPE = 'AdvosyncChange';

    public const SAVED = 'saved';
    public const REMOVED = 'removed';

    /** The package's name among EspoCRM's extensions. */
    private const PACKAGE = 'advosync';

    /** Seconds within which a number may be given and its row not yet be seen. */
    private const UNSETTLED = 10;

    /** How many rows may be written while one save is going on. */
    private const UNCOMMITTED = 2000;

    private ?string $install = null;

    public function __construct(
        private EntityManager $entityManager,
        private RecordIdGenerator $idGenerator,
        private ConfigDataProvider $database,
    ) {}

    /**
     * @param string[] $attributes
     */
    public function add(string $type, string $id, string $kind, ?int $version, bool $own, array $attributes): void
    {
        $row = [
            'id' => $this->idGenerator->generate(),
            'targetType' => $type,
            'targetId' => $id,
            'kind' => $kind,
            'versionNumber' => $version,
            'own' => $own,
            'attributes' => $own ? json_encode($attributes) : null,
            'createdAt' => DateTime::getSystemNowString(),
        ];

        $query = $this->entityManager
            ->getQueryBuilder()
            ->insert()
            ->into(self::ENTITY_TYPE)
            ->columns(array_keys($row))
            ->values($row)
            ->build();

        $this->entityManager->getQueryExecutor()->execute($query);
    }

    /**
     * Whether nothing is missing behind a place: this installation has given it, and its
     * row is still there. Rows may have been cleaned up, a backup may have been put back,
     * under which numbers are given anew, or the module was away for a while.
     */
    public function holds(Place $place): bool
    {
        if ($place->install !== $this->install() || !$this->readersWait()) {
            return false;
        }

        if ($place->row === '') {
            return ($this->number('ASC') ?? 1) === 1;
        }

        $row = $this->log(['number'])->where(['id' => $place->row, 'number' => $place->number]);

        return $this->fetch($row->build()) !== [];
    }

    /**
     * The rows behind a place, and the place behind which the next ones are.
     *
     * @return array{rows: array<int, array<string, mixed>>, next: Place, more: bool}
     */
    public function after(Place $place, int $limit): array
    {
        $rows = $this->rows($place->number, $limit);
        $settled = Place::settled($place->number, $rows, self::ago(self::UNSETTLED));

        return [
            'rows' => $rows,
            'next' => $settled > 0 ? $this->at($rows[$settled - 1]) : $place,
            'more' => $settled === $limit,
        ];
    }

    /**
     * The place at which the log stands. Whatever is about to be committed is waited for:
     * it may have a lower number than what can be seen.
     */
    public function standing(): Place
    {
        $last = $this->number('DESC');

        if ($last === null) {
            return new Place(0, $this->install(), '');
        }

        $rows = $this->rows(max(0, $last - self::UNCOMMITTED), 2 * self::UNCOMMITTED);
        $settled = Place::settled($rows[0]['number'] - 1, $rows, self::ago(self::UNSETTLED));

        return $this->at($rows[max(0, $settled - 1)]);
    }

    /**
     * The rows behind a number. A row that somebody is about to commit is waited for:
     * numbers are given before the commit, so a row that becomes visible later would be
     * passed over for ever.
     *
     * @return array<int, array<string, mixed>>
     */
    private function rows(int $number, int $limit): array
    {
        $query = $this->log(['id', 'number', 'targetType', 'targetId', 'kind', 'own', 'createdAt'])
            ->where(['number>' => $number])
            ->order('number')
            ->limit(0, $limit)
            ->forUpdate()
            ->build();

        $rows = $this->entityManager->getTransactionManager()->run(fn () => $this->fetch($query));

        return array_map(fn (array $row) => ['number' => (int) $row['number']] + $row, $rows);
    }

    /**
     * @param string[] $columns
     */
    private function log(array $columns): SelectBuilder
    {
        return $this->entityManager
            ->getQueryBuilder()
            ->select($columns)
            ->from(self::ENTITY_TYPE)
            ->withDeleted();
    }

    /**
     * @return array<int, array<string, mixed>>
     */
    private function fetch(Select $query): array
    {
        return $this->entityManager->getQueryExecutor()->execute($query)->fetchAll(PDO::FETCH_ASSOC);
    }

    /**
     * The first number of the log ('ASC'), or the last one ('DESC'); null where it is empty.
     */
    private function number(string $order): ?int
    {
        $rows = $this->fetch($this->log(['number'])->order('number', $order)->limit(0, 1)->build());

        return $rows ? (int) $rows[0]['number'] : null;
    }

    /**
     * @param array<string, mixed> $row
     */
    private function at(array $row): Place
    {
        return new Place($row['number'], $this->install(), $row['id']);
    }

    /**
     * Which installation of the module this is: what was saved between two of them is
     * not in the log. One that is removed and installed again from EspoCRM's list keeps its
     * id; its files are new.
     */
    private function install(): string
    {
        return $this->install ??= $this->installed();
    }

    private function installed(): string
    {
        $extension = $this->entityManager
            ->getRDBRepositoryByClass(Extension::class)
            ->where(['name' => self::PACKAGE, 'isInstalled' => true])
            ->order('createdAt', 'DESC')
            ->findOne();

        return $extension ? substr($extension->getId(), 0, 24) . '-' . (int) filemtime(__FILE__) : '';
    }

    /**
     * On PostgreSQL a locking read does not wait for rows that are not committed yet.
     */
    private function readersWait(): bool
    {
        return $this->database->getPlatform() === 'Mysql';
    }

    private static function ago(int $seconds): string
    {
        return gmdate('Y-m-d H:i:s', time() - $seconds);
    }

    /**
     * What made the versions of a record behind one of them.
     *
     * @return array<int, array{versionNumber: int, own: bool, attributes: string[]}>
     */
    public function versions(string $type, string $id, int $after): array
    {
        $query = $this->log(['versionNumber', 'own', 'attributes'])
            ->where(['targetType' => $type, 'targetId' => $id, 'versionNumber>' => $after])
            ->limit(0, 200)
            ->build();

        $versions = [];

        foreach ($this->fetch($query) as $row) {
            $versions[] = [
                'versionNumber' => (int) $row['versionNumber'],
                'own' => (bool) $row['own'],
                'attributes' => json_decode($row['attributes'] ?? '[]', true) ?: [],
            ];
        }

        return $versions;
    }

    /**
     * Drops what is older, as far as nothing younger stands in front of it: a clock may
     * have been wrong, and a hole in the middle shows nobody that something is missing.
     * The newest row stays, so that numbers are never given anew.
     */
    public function dropBefore(string $time): void
    {
        $young = $this->fetch($this->log(['number'])->where(['createdAt>=' => $time])->order('number')->limit(0, 1)->build());
        $until = $young ? (int) $young[0]['number'] : $this->number('DESC');

        if ($until === null) {
            return;
        }

        $query = $this->entityManager
            ->getQueryBuilder()
            ->delete()
            ->from(self::ENTITY_TYPE)
            ->where(['number<' => $until])
            ->build();

        $this->entityManager->getQueryExecutor()->execute($query);
    }
}
