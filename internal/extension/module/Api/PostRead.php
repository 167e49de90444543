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
use Espo\Modules\Advosync\Core\Reader;

/**
 * POST Advosync/read {type, ids, attributes}: the records, which ids are deleted, and
 * which are not there or out of the user's sight.
 */
class PostRead implements Action
{
    public function __construct(private Access $access, private Reader $reader)
    {}

    public function process(Request $request): Response
    {
        $this->access->check();

        try {
            $type = Call::type($request->getParsedBody());
            ['ids' => $ids, 'attributes' => $attributes] = Call::read($request->getParsedBody());
        } catch (BadCall $e) {
            throw new BadRequest($e->getMessage());
        }

        $this->access->checkType($type, 'read');

        $list = $this->reader->records($type, $ids, $attributes);
        $rest = array_values(array_diff($ids, array_column($list, 'id')));
        $deleted = $this->reader->deleted($type, $rest);

        return ResponseComposer::json((object) [
            'list' => $list,
            'deleted' => $deleted,
            'missing' => array_values(array_diff($rest, array_column($deleted, 'id'))),
        ]);
    }
}
