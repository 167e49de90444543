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

use Espo\ORM\Entity;

/**
 * What a save that is under way changes of a record.
 */
class Saved
{
    public function __construct(private Settings $settings)
    {}

    /**
     * The attributes, without the sync's own and EspoCRM's stamps.
     *
     * @return string[]
     */
    public function attributes(Entity $entity): array
    {
        // What was only loaded beside the record, such as its followers, has nothing to be compared with. Nor have
        // lists of addresses: of a write of the module it is known what it sets.
        $changed = array_filter(
            $entity->getAttributeList(),
            fn (string $name) => $entity->isAttributeChanged($name) && ($entity->isNew() || $entity->hasFetched($name))
        );

        $all = array_values(array_unique([...$changed, ...$this->unfetched($entity)]));

        return Changes::ofRecord($all, $this->settings->syncAttributes());
    }

    /**
     * @return string[]
     */
    private function unfetched(Entity $entity): array
    {
        return array_filter(Writing::attributes() ?? [], fn (string $name) => !$entity->hasFetched($name));
    }
}
