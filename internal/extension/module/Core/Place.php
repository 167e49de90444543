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

/**
 * A place in the log of changes: behind the row with this number. Numbers are given anew
 * under a backup that was put back, so a place also names the row, and which installation
 * of the module has given it. Pure: nothing of EspoCRM is used.
 */
final class Place
{
    /**
     * @param string $row The row's id; '' where the log was empty.
     */
    public function __construct(
        public readonly int $number,
        public readonly string $install,
        public readonly string $row,
    ) {}

    /**
     * What the client keeps along with the number, and sends back as it is.
     */
    public function mark(): string
    {
        return $this->install . ':' . $this->row;
    }

    /**
     * @throws BadCall
     */
    public static function of(mixed $number, mixed $mark): self
    {
        if (!is_int($number) || $number < 0) {
            throw new BadCall("'after' must be a number.");
        }

        if (!is_string($mark) || !preg_match('/^([A-Za-z0-9-]{0,36}):([A-Za-z0-9-]{0,36})$/', $mark, $parts)) {
            throw new BadCall("'mark' must be what was answered along with the number.");
        }

        return new self($number, $parts[1], $parts[2]);
    }

    /**
     * How many rows a place may pass: those in front of the first number that is missing
     * and may still come. A number is given a moment before its row can be seen; one
     * whose successor is old belongs to a save that was taken back.
     *
     * @param int $after The number in front of the rows.
     * @param array<int, array{number: int, createdAt: string}> $rows By number.
     * @param string $young From when on a row is young.
     */
    public static function settled(int $after, array $rows, string $young): int
    {
        foreach (array_values($rows) as $i => $row) {
            if ($row['number'] !== $after + 1 && $row['createdAt'] >= $young) {
                return $i;
            }

            $after = $row['number'];
        }

        return count($rows);
    }
}
