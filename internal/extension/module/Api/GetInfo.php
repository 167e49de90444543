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

namespace Espo\Modules\Advosync\Api;

use Espo\Core\Api\Action;
use Espo\Core\Api\Request;
use Espo\Core\Api\Response;
use Espo\Core\Api\ResponseComposer;
use Espo\Modules\Advosync\Core\Access;
use Espo\Modules\Advosync\Core\Call;
use Espo\Modules\Advosync\Core\Settings;

/**
 * GET Advosync/info: the package's version, for whom and for what it was made.
 */
class GetInfo implements Action
{
    public function __construct(private Access $access, private Settings $settings)
    {}

    public function process(Request $request): Response
    {
        $this->access->check();

        return ResponseComposer::json((object) [
            'version' => $this->settings->version(),
            'form' => $this->settings->form(),
            'maxItems' => Call::MAX,
            'apiUser' => (object) array_filter($this->settings->apiUser()),
            'types' => (object) $this->settings->types(),
        ]);
    }
}
