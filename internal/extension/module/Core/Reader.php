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

use Espo\Core\Record\FindParams;
use Espo\Core\Record\ServiceContainer;
use Espo\Core\Select\SearchParams;
use Espo\Core\Select\SelectBuilderFactory;
use Espo\Core\Select\Where\Item as WhereItem;
use Espo\ORM\Entity;
use Espo\ORM\EntityManager;
use PDO;
use stdClass;

/**
 * Reads records by their ids, as far as the user may read them.
 */
class Reader
{
    public function __construct(
        private EntityManager $entityManager,
        private ServiceContainer $services,
        private SelectBuilderFactory $selectBuilderFactory,
    ) {}

    /**
     * @param string[] $ids
     * @param ?string[] $attributes null: all that a record holds by itself.
     * @return stdClass[]
     */
    public function records(string $type, array $ids, ?array $attributes): array
    {
        // Without a select: texts in selected lists are cut.
        $params = SearchParams::create()
            ->withWhere(WhereItem::fromRaw(['type' => 'in', 'attribute' => 'id', 'value' => $ids]))
            ->withMaxSize(count($ids));

        $found = $this->services->get($type)->find($params, FindParams::create()->withNoTotal());
        $list = [];

        foreach ($found->getCollection() as $entity) {
            $list[] = $this->output($type, $entity, $attributes);
        }

        return $list;
    }

    /**
     * @param ?string[] $attributes
     */
    private function output(string $type, Entity $entity, ?array $attributes): stdClass
    {
        if ($attributes === null) {
            return $entity->getValueMap();
        }

        foreach ($attributes as $name) {
            if ($entity->hasAttribute($name) && !$entity->has($name)) {
                // Lists of links and of addresses are loaded for each record by itself.
                $service = $this->services->get($type);
                $service->loadAdditionalFields($entity);
                $service->prepareEntityForOutput($entity);

                break;
            }
        }

        $all = $entity->getValueMap();
        $out = new stdClass();

        foreach (['id', ...$attributes] as $name) {
            if (property_exists($all, $name)) {
                $out->$name = $all->$name;
            }
        }

        return $out;
    }

    /**
     * Of the ids, those of deleted records that the user might read.
     *
     * @param string[] $ids
     * @return stdClass[]
     */
    public function deleted(string $type, array $ids): array
    {
        if ($ids === []) {
            return [];
        }

        $query = $this->selectBuilderFactory
            ->create()
            ->from($type)
            ->withStrictAccessControl()
            ->buildQueryBuilder()
            ->withDeleted()
            ->select(['id', 'modifiedAt'])
            ->where(['id' => $ids, 'deleted' => true])
            ->build();

        $rows = $this->entityManager->getQueryExecutor()->execute($query)->fetchAll(PDO::FETCH_ASSOC);

        return array_map(fn (array $row) => (object) ['id' => $row['id'], 'modifiedAt' => $row['modifiedAt']], $rows);
    }
}
