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

namespace Espo\Modules\Advosync\Hooks\Common;

use Espo\Core\Hook\Hook\BeforeSave;
use Espo\Entities\User;
use Espo\Modules\Advosync\Core\Settings;
use Espo\ORM\Entity;
use Espo\ORM\Repository\Option\SaveOptions;

/**
 * Nobody but the API user and administrators writes the fields of the sync, by
 * whatever route a save comes: another person's values are dropped, as EspoCRM drops
 * what a role denies. Runs before the formula, which marks a person's edit.
 *
 * @implements BeforeSave<Entity>
 */
class AdvosyncProtect implements BeforeSave
{
    public static int $order = 5;

    public function __construct(private Settings $settings, private User $user)
    {}

    public function beforeSave(Entity $entity, SaveOptions $options): void
    {
        if (!$this->settings->serves($entity->getEntityType()) || $this->settings->mayWriteSync($this->user)) {
            return;
        }

        foreach ($this->settings->syncAttributes() as $name) {
            if ($entity->has($name) && $entity->isAttributeChanged($name)) {
                $entity->set($name, $entity->isNew() ? $entity->getAttributeParam($name, 'default') : $entity->getFetched($name));
            }
        }
    }
}
