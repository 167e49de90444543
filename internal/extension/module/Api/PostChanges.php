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

use Espo\Core\Acl;
use Espo\Core\Api\Action;
use Espo\Core\Api\Request;
use Espo\Core\Api\Response;
use Espo\Core\Api\ResponseComposer;
use Espo\Core\Exceptions\BadRequest;
use Espo\Modules\Advosync\Core\Access;
use Espo\Modules\Advosync\Core\BadCall;
use Espo\Modules\Advosync\Core\Call;
use Espo\Modules\Advosync\Core\Log;
use Espo\Modules\Advosync\Core\Place;
use Espo\Modules\Advosync\Core\Settings;

/**
 * POST Advosync/changes {after, limit, type}: what was saved or removed behind a
 * number. Without `after`: only where the log stands.
 */
class PostChanges implements Action
{
    public function __construct(
        private Access $access,
        private Acl $acl,
        private Settings $settings,
        private Log $log,
    ) {}

    public function process(Request $request): Response
    {
        $this->access->check();

        try {
            ['place' => $place, 'limit' => $limit, 'type' => $type] = Call::changes($request->getParsedBody());
        } catch (BadCall $e) {
            throw new BadRequest($e->getMessage());
        }

        if ($type !== null) {
            $this->access->checkType($type, 'read');
        }

        if ($place === null || !$this->log->holds($place)) {
            return $this->answer($this->log->standing(), $place !== null);
        }

        ['rows' => $rows, 'next' => $next, 'more' => $more] = $this->log->after($place, $limit);

        return $this->answer($next, false, $more, $this->shown($rows, $type));
    }

    /**
     * @param array<int, object> $rows
     */
    private function answer(Place $next, bool $gap, bool $more = false, array $rows = []): Response
    {
        return ResponseComposer::json((object) [
            'last' => $next->number,
            'mark' => $next->mark(),
            'gap' => $gap,
            'more' => $more,
            'rows' => $rows,
        ]);
    }

    /**
     * @param array<int, array<string, mixed>> $rows
     * @return array<int, object>
     */
    private function shown(array $rows, ?string $type): array
    {
        $shown = [];
        $readable = [];

        foreach ($rows as $row) {
            $of = $row['targetType'];
            $readable[$of] ??= ($type === null || $type === $of) &&
                $this->settings->serves($of) && $this->acl->checkScope($of, 'read');

            if ($readable[$of]) {
                $shown[] = (object) [
                    'number' => (int) $row['number'],
                    'type' => $of,
                    'id' => $row['targetId'],
                    'kind' => $row['kind'],
                    'own' => (bool) $row['own'],
                    'at' => $row['createdAt'],
                ];
            }
        }

        return $shown;
    }
}
