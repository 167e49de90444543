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

use Closure;

/**
 * Whether this request is in the middle of a write of the module, and of what.
 */
final class Writing
{
    /** @var ?string[] */
    private static ?array $attributes = null;

    /**
     * The attributes that are being written; null: no write of the module is going on.
     *
     * @return ?string[]
     */
    public static function attributes(): ?array
    {
        return self::$attributes;
    }

    /**
     * @template T
     * @param string[] $attributes
     * @param Closure(): T $write
     * @return T
     */
    public static function during(array $attributes, Closure $write): mixed
    {
        self::$attributes = $attributes;

        try {
            return $write();
        } finally {
            self::$attributes = null;
        }
    }
}
