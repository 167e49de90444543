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
 * Whether somebody who has seen an older version may save as if he had seen the
 * newest: every version since then was made by the sync alone, and by none of them
 * a field was written that he writes now. Pure: nothing of EspoCRM is used.
 */
final class Versions
{
    /**
     * @param int $seen The version that the writer has seen.
     * @param int $current The version that the record has.
     * @param array<int, array{versionNumber: int, own: bool, attributes: string[]}> $log What made the versions.
     * @param string[] $writes The attributes that are written now.
     */
    public static function onlyTheSyncHasMoved(int $seen, int $current, array $log, array $writes): bool
    {
        if ($seen >= $current) {
            return false;
        }

        $known = [];

        foreach ($log as $row) {
            $version = $row['versionNumber'];

            if ($version <= $seen || $version > $current) {
                continue;
            }

            if (!$row['own'] || Changes::touch($row['attributes'], $writes)) {
                return false;
            }

            $known[$version] = true;
        }

        return count($known) === $current - $seen;
    }
}
