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
 * What a writer expects to find: a version, values, both or nothing. Pure: nothing
 * of EspoCRM is used.
 */
final class Expectation
{
    /**
     * @param array<string, mixed> $values
     */
    private function __construct(public readonly ?int $version, public readonly array $values)
    {}

    /**
     * @throws BadCall
     */
    public static function of(mixed $raw): self
    {
        if ($raw === null) {
            return new self(null, []);
        }

        if (!$raw instanceof stdClass) {
            throw new BadCall("'expect' must be an object.");
        }

        foreach (array_keys(get_object_vars($raw)) as $key) {
            if ($key !== 'versionNumber' && $key !== 'values') {
                throw new BadCall("'expect' knows versionNumber and values.");
            }
        }

        $version = $raw->versionNumber ?? null;
        $values = $raw->values ?? new stdClass();

        if ($version !== null && !is_int($version)) {
            throw new BadCall("'versionNumber' must be a number.");
        }

        if (!$values instanceof stdClass) {
            throw new BadCall("'values' must be an object.");
        }

        return new self($version, get_object_vars($values));
    }

    /**
     * The names whose values are others than expected; versionNumber among them.
     *
     * @param callable(string): mixed $current The value of an attribute.
     * @return string[]
     */
    public function broken(?int $version, callable $current): array
    {
        $broken = [];

        if ($this->version !== null && $this->version !== $version) {
            $broken[] = 'versionNumber';
        }

        foreach ($this->values as $name => $expected) {
            if (!self::same($expected, $current($name))) {
                $broken[] = $name;
            }
        }

        return $broken;
    }

    /**
     * Numbers by value, for JSON and the database write them differently; lists and
     * objects by their content; everything else exactly.
     */
    private static function same(mixed $a, mixed $b): bool
    {
        if ((is_int($a) || is_float($a)) && (is_int($b) || is_float($b) || is_string($b) && is_numeric($b))) {
            return (float) $a === (float) $b;
        }

        if (is_array($a) || is_object($a)) {
            return json_encode($a) === json_encode($b);
        }

        return $a === $b;
    }
}
