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

use Espo\Core\Record\CreateParams;
use Espo\Core\Record\ServiceContainer;
use Espo\Entities\Note;
use Espo\ORM\EntityManager;
use stdClass;
use Throwable;

/**
 * Writes notes in the streams of records, each in a transaction of its own, by the
 * very code that a POST runs.
 */
class Noter
{
    public function __construct(
        private EntityManager $entityManager,
        private ServiceContainer $services,
        private Outcome $outcomes,
    ) {}

    public function note(string $type, mixed $raw): stdClass
    {
        $id = $raw instanceof stdClass && is_string($raw->id ?? null) ? $raw->id : null;

        try {
            ['post' => $post] = Call::noteItem($raw);

            $note = (object) ['type' => 'Post', 'parentType' => $type, 'parentId' => $id, 'post' => $post];

            $this->entityManager
                ->getTransactionManager()
                ->run(fn () => $this->services->get(Note::ENTITY_TYPE)->create($note, CreateParams::create()));

            return Outcome::of($id, 'ok');
        } catch (Throwable $e) {
            return $this->outcomes->failed($type, $id, $e);
        }
    }
}
