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

use Espo\Core\Exceptions\BadRequest;
use Espo\Core\Exceptions\Conflict;
use Espo\Core\Exceptions\Forbidden;
use Espo\Core\Exceptions\NotFound;
use Espo\Core\FieldValidation\Exceptions\ValidationError;
use Espo\Core\Utils\Log as SystemLog;
use PDOException;
use stdClass;
use Throwable;

/**
 * What became of one item of a call.
 */
class Outcome
{
    private const UNIQUE_CLASH = 1062;
    private const DEADLOCK = [1213, 1205, 1020];

    public function __construct(private SystemLog $log)
    {}

    /**
     * @param array<string, mixed> $more
     */
    public static function of(?string $id, string $result, array $more = []): stdClass
    {
        return (object) (['id' => $id, 'result' => $result] + $more);
    }

    public function failed(string $type, ?string $id, Throwable $e): stdClass
    {
        if ($e instanceof BadCall) {
            return self::of($id, 'invalid', ['reason' => $e->getMessage()]);
        }

        if ($e instanceof ValidationError) {
            return self::of($id, 'invalid', [
                'field' => $e->getFailure()->getField(),
                'type' => $e->getFailure()->getType(),
            ]);
        }

        foreach ([
            'invalid' => BadRequest::class,
            'forbidden' => Forbidden::class,
            'missing' => NotFound::class,
            'conflict' => Conflict::class,
        ] as $result => $class) {
            if ($e instanceof $class) {
                return self::of($id, $result, ['reason' => $e->getMessage()]);
            }
        }

        if ($e->getPrevious() instanceof Conflict) { // a locked record, since 10.0
            return self::of($id, 'conflict', ['reason' => $e->getPrevious()->getMessage()]);
        }

        $code = $e instanceof PDOException ? ($e->errorInfo[1] ?? null) : null;

        if ($code === self::UNIQUE_CLASH) {
            return self::of($id, 'clash');
        }

        // Where the server has ended the transaction, rolling it back fails in its turn.
        if (in_array($code, self::DEADLOCK, true) || str_contains($e->getMessage(), 'not started transaction')) {
            return self::of($id, 'retry');
        }

        $this->log->error("Advosync: $type $id failed: " . get_class($e) . ': ' . $e->getMessage());

        return self::of($id, 'error', ['reason' => 'Internal error; the reason stands in data/logs.']);
    }
}
