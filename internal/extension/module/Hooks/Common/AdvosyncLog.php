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

use Espo\Core\Hook\Hook\AfterRemove;
use Espo\Core\Hook\Hook\AfterSave;
use Espo\Entities\User;
use Espo\Modules\Advosync\Core\Log;
use Espo\Modules\Advosync\Core\Saved;
use Espo\Modules\Advosync\Core\Settings;
use Espo\Modules\Advosync\Core\Writing;
use Espo\ORM\Entity;
use Espo\ORM\Repository\Option\RemoveOptions;
use Espo\ORM\Repository\Option\SaveOptions;

/**
 * Notes in the log of changes what was saved and removed.
 *
 * @implements AfterSave<Entity>
 * @implements AfterRemove<Entity>
 */
class AdvosyncLog implements AfterSave, AfterRemove
{
    public static int $order = 200;

    public function __construct(
        private Settings $settings,
        private User $user,
        private Saved $saved,
        private Log $log,
    ) {}

    public function afterSave(Entity $entity, SaveOptions $options): void
    {
        if (!$this->settings->serves($entity->getEntityType())) {
            return;
        }

        $own = $this->settings->isApiUser($this->user);
        $changed = $this->saved->attributes($entity);

        if ($changed === [] && $own && Writing::attributes() !== null) {
            return; // the version has not moved either
        }

        $version = $entity->hasAttribute('versionNumber') ? $entity->get('versionNumber') : null;
        $this->log->add($entity->getEntityType(), $entity->getId(), Log::SAVED, $version, $own, $changed);
    }

    public function afterRemove(Entity $entity, RemoveOptions $options): void
    {
        if ($this->settings->serves($entity->getEntityType())) {
            $own = $this->settings->isApiUser($this->user);
            $this->log->add($entity->getEntityType(), $entity->getId(), Log::REMOVED, null, $own, []);
        }
    }
}
