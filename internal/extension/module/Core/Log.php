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

use Espo\Core\Utils\DateTime;
use Espo\Core\Utils\Id\RecordIdGenerator;
use Espo\ORM\EntityManager;
use PDO;

/**
 * The log of changes: one row for each save that changed more than the sync's own fields.
 */
class Log
{
    public const ENTITY_TYPE = 'AdvosyncChange';

    public const SAVED = 'saved';
    public const REMOVED = 'removed';

    public function __construct(private EntityManager $entityManager, private RecordIdGenerator $idGenerator)
    {}

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
     * The rows behind a number, and the number up to which nothing is left out. A row
     * that somebody is about to commit is waited for: numbers are given before the
     * commit, so a row that becomes visible later would be passed over for ever.
     *
     * @return array{rows: array<int, array<string, mixed>>, last: int}
     */
    public function after(int $number, int $limit): array
    {
        $query = $this->entityManager
            ->getQueryBuilder()
            ->select(['number', 'targetType', 'targetId', 'kind', 'own', 'versionNumber', 'createdAt'])
            ->from(self::ENTITY_TYPE)
            ->where(['number>' => $number])
            ->order('number')
            ->limit(0, $limit)
            ->withDeleted()
            ->forUpdate()
            ->build();

        $rows = $this->entityManager
            ->getTransactionManager()
            ->run(fn () => $this->entityManager->getQueryExecutor()->execute($query)->fetchAll(PDO::FETCH_ASSOC));

        return ['rows' => $rows, 'last' => $rows ? (int) end($rows)['number'] : $number];
    }

    /**
     * The first and the last number of the log; null where it is empty.
     *
     * @return array{first: ?int, last: ?int}
     */
    public function range(): array
    {
        $end = function (string $order): ?int {
            $query = $this->entityManager
                ->getQueryBuilder()
                ->select(['number'])
                ->from(self::ENTITY_TYPE)
                ->order('number', $order)
                ->limit(0, 1)
                ->withDeleted()
                ->build();

            $row = $this->entityManager->getQueryExecutor()->execute($query)->fetch();

            return $row ? (int) $row['number'] : null;
        };

        return ['first' => $end('ASC'), 'last' => $end('DESC')];
    }

    /**
     * What made the versions of a record behind one of them.
     *
     * @return array<int, array{versionNumber: int, own: bool, attributes: string[]}>
     */
    public function versions(string $type, string $id, int $after): array
    {
        $query = $this->entityManager
            ->getQueryBuilder()
            ->select(['versionNumber', 'own', 'attributes'])
            ->from(self::ENTITY_TYPE)
            ->where(['targetType' => $type, 'targetId' => $id, 'versionNumber>' => $after])
            ->limit(0, 200)
            ->withDeleted()
            ->build();

        $versions = [];

        foreach ($this->entityManager->getQueryExecutor()->execute($query)->fetchAll(PDO::FETCH_ASSOC) as $row) {
            $versions[] = [
                'versionNumber' => (int) $row['versionNumber'],
                'own' => (bool) $row['own'],
                'attributes' => json_decode($row['attributes'] ?? '[]', true) ?: [],
            ];
        }

        return $versions;
    }

    /**
     * Drops rows that are older; the newest stays, so that numbers are never given anew.
     */
    public function dropBefore(string $time): void
    {
        $last = $this->range()['last'];

        if ($last === null) {
            return;
        }

        $query = $this->entityManager
            ->getQueryBuilder()
            ->delete()
            ->from(self::ENTITY_TYPE)
            ->where(['createdAt<' => $time, 'number<' => $last])
            ->build();

        $this->entityManager->getQueryExecutor()->execute($query);
    }
}
