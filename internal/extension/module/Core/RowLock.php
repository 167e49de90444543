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

use Espo\ORM\EntityManager;

/**
 * Locks a record's row until the end of the transaction. Nothing may be read in
 * that transaction before it: what is read first decides how old everything is that
 * is read later.
 */
class RowLock
{
    public function __construct(private EntityManager $entityManager)
    {}

    /**
     * @return ?bool null: there is no such row; false: it is deleted.
     */
    public function take(string $type, string $id): ?bool
    {
        // Plain columns: a whole record would join, and lock, the rows of users and accounts.
        $query = $this->entityManager
            ->getQueryBuilder()
            ->select(['id', 'deleted'])
            ->from($type)
            ->where(['id' => $id])
            ->withDeleted()
            ->forUpdate()
            ->build();

        $row = $this->entityManager->getQueryExecutor()->execute($query)->fetch();

        return $row ? !$row['deleted'] : null;
    }
}
