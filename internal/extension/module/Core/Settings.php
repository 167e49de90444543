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

use Espo\Core\Utils\Metadata;
use Espo\Entities\User;

/**
 * What the package was made for: the served types, the fields of the sync, the API user.
 */
class Settings
{
    public function __construct(private Metadata $metadata)
    {}

    public function version(): string
    {
        return (string) $this->metadata->get(['app', 'advosync', 'version']);
    }

    public function form(): int
    {
        return (int) $this->metadata->get(['app', 'advosync', 'form']);
    }

    /**
     * @return array{id: ?string, userName: ?string}
     */
    public function apiUser(): array
    {
        return [
            'id' => $this->metadata->get(['app', 'advosync', 'userId']),
            'userName' => $this->metadata->get(['app', 'advosync', 'userName']),
        ];
    }

    /**
     * @return array<string, string[]> The mapped fields of each served type.
     */
    public function types(): array
    {
        return $this->metadata->get(['app', 'advosync', 'types']) ?? [];
    }

    public function serves(string $type): bool
    {
        return array_key_exists($type, $this->types());
    }

    /**
     * @return string[]
     */
    public function syncAttributes(): array
    {
        return $this->metadata->get(['app', 'advosync', 'syncFields']) ?? [];
    }

    public function isApiUser(User $user): bool
    {
        ['id' => $id, 'userName' => $name] = $this->apiUser();

        return $id ? $user->getId() === $id : $name && $user->get('userName') === $name;
    }

    /**
     * Who may write the fields of the sync: the API user and administrators. Not the system user: in its name EspoCRM's
     * jobs save what any person has asked for (a mass update or an import in the background).
     */
    public function mayWriteSync(User $user): bool
    {
        return $this->isApiUser($user) || ($user->isAdmin() && !$user->isSystem());
    }
}
