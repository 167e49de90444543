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

use Espo\Entities\User;
use Espo\Modules\Advosync\Core\Log;
use Espo\Modules\Advosync\Core\RowLock;
use Espo\Modules\Advosync\Core\Settings;
use Espo\Modules\Advosync\Core\Versions;
use Espo\ORM\EntityManager;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\MiddlewareInterface;
use Psr\Http\Server\RequestHandlerInterface;

/**
 * Stands around EspoCRM's own PUT of the served types. The row is locked first and
 * the whole save is one transaction, so that between the check of the version and
 * the write nobody else writes. And a person whose form is older than what the sync
 * wrote is let through where the sync has written none of his fields.
 */
class AtomicUpdate implements MiddlewareInterface
{
    private const VERSION = 'X-Version-Number';

    public function __construct(
        private EntityManager $entityManager,
        private RowLock $lock,
        private Log $log,
        private Settings $settings,
        private User $user,
    ) {}

    public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface
    {
        [$type, $id] = $this->target($request);

        return $this->entityManager
            ->getTransactionManager()
            ->run(function () use ($request, $handler, $type, $id) {
                if ($id !== '' && $this->lock->take($type, $id)) {
                    $request = $this->upToDate($request, $type, $id);
                }

                return $handler->handle($request);
            });
    }

    /**
     * @return array{string, string}
     */
    private function target(ServerRequestInterface $request): array
    {
        $path = explode('/', rtrim($request->getUri()->getPath(), '/'));
        $id = rawurldecode((string) array_pop($path));

        return [ucfirst((string) array_pop($path)), $id];
    }

    private function upToDate(ServerRequestInterface $request, string $type, string $id): ServerRequestInterface
    {
        $header = $request->getHeaderLine(self::VERSION);

        if (!ctype_digit($header) || $this->settings->isApiUser($this->user)) {
            return $request; // of two syncs the later one is to be told
        }

        $query = $this->entityManager
            ->getQueryBuilder()
            ->select(['versionNumber'])
            ->from($type)
            ->where(['id' => $id])
            ->build();

        $row = $this->entityManager->getQueryExecutor()->execute($query)->fetch();
        $current = (int) ($row['versionNumber'] ?? 0);
        $seen = (int) $header;

        if ($seen >= $current) {
            return $request;
        }

        $body = json_decode((string) $request->getBody(), true);
        $request->getBody()->rewind();
        $log = $this->log->versions($type, $id, $seen);

        if (!is_array($body) || !Versions::onlyTheSyncHasMoved($seen, $current, $log, array_map('strval', array_keys($body)))) {
            return $request;
        }

        return $request->withHeader(self::VERSION, (string) $current);
    }
}
