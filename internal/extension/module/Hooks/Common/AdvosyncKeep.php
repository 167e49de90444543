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
use Espo\Modules\Advosync\Core\Saved;
use Espo\Modules\Advosync\Core\Settings;
use Espo\Modules\Advosync\Core\Writing;
use Espo\ORM\Entity;
use Espo\ORM\Repository\Option\SaveOptions;

/**
 * A write of the module that changes nothing but the sync's own fields keeps
 * modifiedAt, modifiedBy and versionNumber: for people nothing has happened. Runs
 * last, so that what a formula has changed counts.
 *
 * @implements BeforeSave<Entity>
 */
class AdvosyncKeep implements BeforeSave
{
    public static int $order = 200;

    public function __construct(private Settings $settings, private User $user, private Saved $saved)
    {}

    public function beforeSave(Entity $entity, SaveOptions $options): void
    {
        if (
            Writing::attributes() === null ||
            $entity->isNew() ||
            !$this->settings->serves($entity->getEntityType()) ||
            !$this->settings->mayWriteSync($this->user)
        ) {
            return;
        }

        if ($this->saved->attributes($entity) !== []) {
            return;
        }

        foreach (['modifiedAt', 'modifiedById', 'modifiedByName', 'versionNumber'] as $name) {
            if ($entity->hasAttribute($name) && $entity->hasFetched($name)) {
                $entity->set($name, $entity->getFetched($name));
            }
        }
    }
}
