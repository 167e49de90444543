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
use Espo\Core\Exceptions\BadRequest;
use Espo\Modules\Advosync\Core\Access;
use Espo\Modules\Advosync\Core\BadCall;
use Espo\Modules\Advosync\Core\Call;
use Espo\Modules\Advosync\Core\Noter;

/**
 * POST Advosync/notes {type, items: [{id, post}]}: a result for each item, in their
 * order. An item that fails disturbs no other.
 */
class PostNotes implements Action
{
    public function __construct(private Access $access, private Noter $noter)
    {}

    public function process(Request $request): Response
    {
        $this->access->check();

        try {
            $type = Call::type($request->getParsedBody());
            $items = Call::write($request->getParsedBody());
        } catch (BadCall $e) {
            throw new BadRequest($e->getMessage());
        }

        $this->access->checkType($type, 'stream');

        return ResponseComposer::json((object) [
            'results' => array_map(fn ($item) => $this->noter->note($type, $item), array_values($items)),
        ]);
    }
}
