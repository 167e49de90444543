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

use stdClass;

/**
 * The bodies of the module's calls, read strictly: a misspelt key must not be a
 * write without a condition. Pure: nothing of EspoCRM is used.
 */
final class Call
{
    /** How many records one call may concern. */
    public const MAX = 200;

    /**
     * @param string[] $keys
     * @throws BadCall
     */
    private static function keys(stdClass $o, array $keys, string $what): void
    {
        foreach (array_keys(get_object_vars($o)) as $key) {
            if (!in_array($key, $keys, true)) {
                throw new BadCall("$what has an unknown key.");
            }
        }
    }

    /**
     * @throws BadCall
     */
    private static function id(mixed $id): string
    {
        if (!is_string($id) || !preg_match('/^[A-Za-z0-9-]{1,36}$/', $id)) {
            throw new BadCall("An id is missing or is none.");
        }

        return $id;
    }

    /**
     * @return mixed[]
     * @throws BadCall
     */
    private static function list(mixed $list, string $name): array
    {
        if (!is_array($list) || $list === [] || count($list) > self::MAX) {
            throw new BadCall("'$name' must be a list of 1 to " . self::MAX . '.');
        }

        return $list;
    }

    /**
     * @throws BadCall
     */
    public static function type(stdClass $body): string
    {
        $type = $body->type ?? null;

        if (!is_string($type) || $type === '') {
            throw new BadCall("'type' is missing.");
        }

        return $type;
    }

    /**
     * @return array{ids: string[], attributes: ?string[]}
     * @throws BadCall
     */
    public static function read(stdClass $body): array
    {
        self::keys($body, ['type', 'ids', 'attributes'], 'The body');

        $attributes = $body->attributes ?? null;

        if ($attributes !== null && (!is_array($attributes) || array_filter($attributes, 'is_string') !== $attributes)) {
            throw new BadCall("'attributes' must be a list of names.");
        }

        return [
            'ids' => array_values(array_unique(array_map([self::class, 'id'], self::list($body->ids ?? null, 'ids')))),
            'attributes' => $attributes,
        ];
    }

    /**
     * @return mixed[] The items as they came: each is judged by itself.
     * @throws BadCall
     */
    public static function write(stdClass $body): array
    {
        self::keys($body, ['type', 'items'], 'The body');

        return self::list($body->items ?? null, 'items');
    }

    /**
     * @return array{id: string, set: stdClass, expect: Expectation}
     * @throws BadCall
     */
    public static function item(mixed $item): array
    {
        if (!$item instanceof stdClass) {
            throw new BadCall('An item must be an object.');
        }

        self::keys($item, ['id', 'set', 'expect'], 'An item');

        $set = $item->set ?? null;

        if (!$set instanceof stdClass || get_object_vars($set) === []) {
            throw new BadCall("'set' must be an object with values.");
        }

        return [
            'id' => self::id($item->id ?? null),
            'set' => $set,
            'expect' => Expectation::of($item->expect ?? null),
        ];
    }

    /**
     * @return array{id: string, post: string}
     * @throws BadCall
     */
    public static function noteItem(mixed $item): array
    {
        if (!$item instanceof stdClass) {
            throw new BadCall('An item must be an object.');
        }

        self::keys($item, ['id', 'post'], 'An item');

        if (!is_string($item->post ?? null) || $item->post === '') {
            throw new BadCall("'post' must be a text.");
        }

        return ['id' => self::id($item->id ?? null), 'post' => $item->post];
    }

    /**
     * @return array{place: ?Place, limit: int, type: ?string} place: null to ask only where the log stands.
     * @throws BadCall
     */
    public static function changes(stdClass $body): array
    {
        self::keys($body, ['type', 'after', 'mark', 'limit'], 'The body');

        $after = $body->after ?? null;
        $mark = $body->mark ?? null;
        $limit = $body->limit ?? 500;

        if (!is_int($limit) || $limit < 1 || $limit > 2000) {
            throw new BadCall("'limit' must be a number from 1 to 2000.");
        }

        return [
            'place' => $after === null && $mark === null ? null : Place::of($after, $mark),
            'limit' => $limit,
            'type' => isset($body->type) ? self::type($body) : null,
        ];
    }
}
