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
 * What a save changed, as names of attributes. Pure: nothing of EspoCRM is used.
 */
final class Changes
{
    /** Attributes that EspoCRM stamps by itself at every save. */
    private const STAMPS = ['modifiedAt', 'modifiedById', 'modifiedByName', 'versionNumber', 'streamUpdatedAt'];

    /** Attributes of one field besides that of its own name: an address is one value with its list and its marks. */
    private const PARTS = ['Data', 'IsOptedOut', 'IsInvalid'];

    /**
     * The changed attributes that are neither stamps nor written for the sync alone.
     *
     * @param string[] $changed
     * @param string[] $sync
     * @return string[]
     */
    public static function ofRecord(array $changed, array $sync): array
    {
        return array_values(array_diff($changed, $sync, self::STAMPS));
    }

    /**
     * Whether two sets of attributes touch one field.
     *
     * @param string[] $some
     * @param string[] $others
     */
    public static function touch(array $some, array $others): bool
    {
        $fields = array_map([self::class, 'field'], $others);

        foreach ($some as $attribute) {
            if (in_array(self::field($attribute), $fields, true)) {
                return true;
            }
        }

        return false;
    }

    private static function field(string $attribute): string
    {
        foreach (self::PARTS as $part) {
            if (strlen($attribute) > strlen($part) && str_ends_with($attribute, $part)) {
                return substr($attribute, 0, -strlen($part));
            }
        }

        return $attribute;
    }
}
