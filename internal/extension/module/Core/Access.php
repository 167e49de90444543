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

use Espo\Core\Acl;
use Espo\Core\Exceptions\BadRequest;
use Espo\Core\Exceptions\Forbidden;

/**
 * Who may call the module at all, and for which types.
 */
class Access
{
    public const SCOPE = 'Advosync';

    public function __construct(private Acl $acl, private Settings $settings)
    {}

    /**
     * @throws Forbidden
     */
    public function check(): void
    {
        if (!$this->acl->checkScope(self::SCOPE)) {
            throw new Forbidden('No Advosync right.');
        }
    }

    /**
     * @throws Forbidden
     * @throws BadRequest
     */
    public function checkType(string $type, string $action): void
    {
        if (!$this->settings->serves($type)) {
            throw new BadRequest('The package was not made for this type.');
        }

        if (!$this->acl->checkScope($type, $action)) {
            throw new Forbidden("No $action access.");
        }
    }
}
